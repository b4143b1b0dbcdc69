import { once } from 'node:events';
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { bodyOf, bodyPieces, BodySource, endOfBody } from '../body.js';
import {
  anExposition,
  isEncoded,
  isStreamed,
  type Exposition,
  type RenderedExposition,
  type WholeExposition,
} from '../exposition.js';
import { negotiateCoding, type ContentCoding } from './negotiation.js';
import { checkArgument } from '../../option-checks.js';

/** A shorter body (bytes) fits into a packet: compressing it takes longer than sending it. */
const minBytes = 1024;

/** The longest body (bytes) that is compressed in one go, half a millisecond in the thread pool. */
const maxWholeBytes = 256 * 1024;

/**
 * Another exposition, compressed if the scraper asks for it: with gzip, or with zstd if this Node has it (22.15 and
 * later), in Node's thread pool. A body that is already encoded, or shorter than 1 KiB, is passed on unchanged. If no
 * coding fits, the exposition is served unencoded, never refused.
 *
 * A whole body of up to 256 KiB stays whole, so that its length is known; any other is compressed as it is read.
 */
export function encodedExposition(exposition: Exposition): Exposition {
  checkArgument('exposition', exposition, anExposition);
  return {
    contentType: (request) => exposition.contentType(request),
    async render(request) {
      const coding = negotiateCoding(request.acceptEncoding ?? '', contentCodings);
      const rendered = await exposition.render(request);
      const compression = compressions[coding];
      return compression === undefined || isEncoded(rendered)
        ? rendered
        : encoded(rendered, coding, compression);
    },
  };
}

function encoded(
  rendered: RenderedExposition,
  contentEncoding: string,
  compression: Compression,
): RenderedExposition | Promise<RenderedExposition> {
  const { contentType } = rendered;
  const streamed = (source: AsyncIterable<Uint8Array>): RenderedExposition => ({
    contentType,
    contentEncoding,
    body: compressedBody(source, compression.stream),
  });
  if (isStreamed(rendered)) {
    const { body, contentLength = Infinity } = rendered;
    return contentLength < minBytes ? rendered : streamed(body);
  }
  const { body } = rendered;
  // There are at least as many bytes as characters.
  if (body.length > maxWholeBytes) return streamed(inPieces(rendered));
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (bytes.byteLength < minBytes) return { contentType, body: bytes };
  return new Promise((resolve, reject) => {
    compression.whole(bytes, (error, compressed) => {
      if (error === null) resolve({ contentType, contentEncoding, body: compressed });
      else reject(error);
    });
  });
}

async function* inPieces(rendered: WholeExposition): AsyncGenerator<Uint8Array, void, undefined> {
  yield* bodyPieces(rendered);
}

/**
 * A body compressed no faster than it is read. It fails if `body` does; closing it early frees the compressor's memory
 * and closes `body` at once, even while a chunk is awaited.
 *
 * @param open makes the compressor, at the first read: an unread body holds nothing.
 */
export function compressedBody(
  body: AsyncIterable<Uint8Array>,
  open: () => Transform,
): AsyncIterableIterator<Uint8Array> {
  const source = new BodySource(body);
  let compressor: Transform | undefined;
  let chunks: AsyncIterator<Buffer> | undefined;
  let isClosed = false;

  async function feed(opened: Transform): Promise<void> {
    for await (const chunk of source) {
      if (opened.destroyed) return;
      if (!opened.write(chunk)) await once(opened, 'drain');
    }
    opened.end();
  }
  function begin(): AsyncIterator<Buffer> {
    const opened = open();
    compressor = opened;
    feed(opened).catch((error: unknown) => {
      opened.destroy(error instanceof Error ? error : new Error('the body failed'));
    });
    return (opened as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }
  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    compressor?.destroy();
    await source.return();
  }
  async function next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (isClosed) return endOfBody;
    try {
      chunks ??= begin();
      const step = await chunks.next();
      if (step.done !== true) return { done: false, value: step.value };
      // Nothing is left to close: the body was read to its end.
      isClosed = true;
    } catch (error) {
      if (!isClosed) {
        await close().catch(() => undefined);
        throw error;
      }
    }
    return endOfBody;
  }
  return bodyOf(next, close);
}

interface Compression {
  readonly stream: () => Transform;
  /** In the thread pool. */
  readonly whole: (bytes: Uint8Array, callback: Compressed) => void;
}

type Compressed = (error: Error | null, compressed: Buffer) => void;

/** As Node 22.15 and later have it. */
interface ZstdOptions {
  readonly chunkSize: number;
  readonly params: Readonly<Record<number, number>>;
}
type Zstd = Partial<{
  createZstdCompress(options: ZstdOptions): Transform;
  zstdCompress(bytes: Uint8Array, options: ZstdOptions, callback: Compressed): void;
  readonly constants: Readonly<Record<string, number | undefined>>;
}>;

/** Of compressed bytes: fewer turns through the thread pool than with Node's 16 KiB. */
const chunkSize = 64 * 1024;

/**
 * The level that Kubernetes uses. Expositions are so repetitive that little is left: 2.1 MB become 112 kB in 3 ms; at
 * level 4 101 kB in 6 ms, at level 6 90 kB in 10 ms.
 */
const gzipOptions = { level: 1, chunkSize };

const gzip: Compression = {
  stream: () => zlib.createGzip(gzipOptions),
  whole: (bytes, callback) => {
    zlib.gzip(bytes, gzipOptions, callback);
  },
};

const zstd = zstdOf(zlib);

const compressions: Readonly<Partial<Record<ContentCoding | 'identity', Compression>>> = {
  gzip,
  ...(zstd && { zstd }),
};

/** The codings that this Node has, in the order of Prometheus' own handler. */
export const contentCodings: readonly ContentCoding[] = zstd === undefined ? ['gzip'] : ['gzip', 'zstd'];

function zstdOf({ createZstdCompress, zstdCompress, constants = {} }: Zstd): Compression | undefined {
  const { ZSTD_c_compressionLevel: level } = constants;
  if (createZstdCompress === undefined || zstdCompress === undefined || level === undefined) return undefined;
  // The same 2.1 MB become 89 kB in 2 ms; at level 3, zstd's default, 88 kB in 3.4 ms.
  const options: ZstdOptions = { chunkSize, params: { [level]: 1 } };
  return {
    stream: () => createZstdCompress(options),
    whole: (bytes, callback) => {
      zstdCompress(bytes, options, callback);
    },
  };
}
