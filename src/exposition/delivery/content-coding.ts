import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';

/** As the Content-Encoding header names it. */
export type ContentCoding = 'gzip' | 'zstd';

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

/** Of what is compressed: fewer turns through the thread pool than with Node's 16 KiB. */
const chunkSize = 64 * 1024;

/**
 * Kubernetes' level, too. Expositions repeat themselves so much that little is left: 2.1 MB become 112 kB in 3 ms; at
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

/** What this Node can compress to, in the order of Prometheus' own handler. */
export const contentCodings: readonly ContentCoding[] = zstd === undefined ? ['gzip'] : ['gzip', 'zstd'];

/** @throws RangeError for a coding that this Node lacks. */
export function compressionOf(coding: ContentCoding): Compression {
  if (coding === 'gzip') return gzip;
  if (zstd === undefined) throw new RangeError('this Node has no zstd');
  return zstd;
}

function zstdOf({ createZstdCompress, zstdCompress, constants = {} }: Zstd): Compression | undefined {
  const { ZSTD_c_compressionLevel: level } = constants;
  if (createZstdCompress === undefined || zstdCompress === undefined || level === undefined) return undefined;
  // 89 kB of those 2.1 MB, in 2 ms; at zstd's own default, level 3, 88 kB in 3.4 ms.
  const options: ZstdOptions = { chunkSize, params: { [level]: 1 } };
  return {
    stream: () => createZstdCompress(options),
    whole: (bytes, callback) => {
      zstdCompress(bytes, options, callback);
    },
  };
}
