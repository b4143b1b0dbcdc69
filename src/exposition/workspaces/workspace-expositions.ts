import { tell } from '../../tell.js';
import { inTime, largestTimerDelayMs } from '../../timer.js';
import { abandon, bodyPieces } from '../body.js';
import { encodedExposition } from '../delivery/encoded-exposition.js';
import { negotiateFormat } from '../delivery/negotiation.js';
import { limitedExposition, RenderingLimit, type RenderingPlaces } from '../delivery/rendering-limit.js';
import {
  asUpstreamError,
  requireOptions,
  SeriesLimitError,
  TextFormatError,
  UpstreamError,
  WorkspacesOptionError,
} from '../exposition-errors.js';
import { anExposition, isEncoded, workingMs, type Exposition, type ScrapeRequest } from '../exposition.js';
import { ReadingDeadline } from '../reading-deadline.js';
import { labelNameFault } from '../relabelling/label-mapping.js';
import { acceptText, expositionFormat, type ExpositionFormat } from '../text-format/exposition-format.js';
import { readTextFormat } from '../text-format/text-format-reader.js';
import { SeriesByWorkspace } from './series-by-workspace.js';
import { checkArgument, checkOptions } from '../../option-checks.js';

export interface WorkspaceExpositionsOptions {
  /** The label whose value is a logical cluster's name. Default `cluster`. */
  readonly label?: string;
  /** For how long all scrapes are answered from one rendering (ms), from its beginning. Default 10,000. */
  readonly maxAgeMs?: number;
  /** Compress answers for scrapers that accept gzip or zstd. Default true. */
  readonly compress?: boolean;
  /** The length of the series of all workspaces (bytes), beyond which a rendering fails. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Grants renderings their places. Default: a limit of its own. */
  readonly places?: RenderingPlaces;
  /**
   * Grants bodies of more than 256 KiB their places, by workspace. Default: a limit of its own. Not that of renderings: the
   * owner of a workspace could take those of `/metrics`.
   */
  readonly bodyPlaces?: RenderingPlaces;
  /** Told of every rendering that was divided. */
  readonly onRendering?: (
    result: 'success' | 'failure',
    divided: { workspaces: number; bytes: number },
  ) => void;
}

/** One exposition divided by workspace. */
export interface WorkspaceExpositions {
  /** What belongs to one workspace. @param cluster its logical cluster's name. */
  of(cluster: string): Exposition;
}

interface DividedExposition {
  readonly contentType: string;
  readonly series: SeriesByWorkspace;
}

/** Shared by all who scrape. */
interface Rendering {
  readonly divided: Promise<DividedExposition>;
  /** How many read it, or wait for it. */
  readers: number;
  /** Whether nobody else will. */
  isOver: boolean;
}

/** Each format is asked for in one way, so that there is one rendering for each, whatever scrapers send. */
const accepted: Readonly<Record<ExpositionFormat, string>> = {
  text: acceptText,
  openmetrics: `application/openmetrics-text;version=1.0.0;escaping=underscores,${acceptText};q=0.5`,
};

/** A rendering that takes longer has failed (ms). */
const maxRenderingMs = 60_000;
/** How long the memory of the last rendering is kept for the next one (ms). */
const spareMs = 60_000;

/**
 * Divides another exposition by the value of a label: a workspace gets the series whose label is its name, exactly, with
 * the HELP, TYPE and UNIT of their metrics. Series without the label are nobody's.
 *
 * One rendering serves all: it is made when the first scrape comes, divided while it streams, shared by all scrapes that
 * come meanwhile and kept until `maxAgeMs` after its beginning. It is made on nobody's account: the exposition is told
 * neither who scrapes nor how long they wait. For each format it takes about as much memory as the rendering is long.
 *
 * A rendering that fails, is encoded, malformed or of an unknown format fails for all who wait for it, and is not kept.
 *
 * @throws WorkspacesOptionError
 */
export function workspaceExpositions(
  exposition: Exposition,
  options: WorkspaceExpositionsOptions = {},
): WorkspaceExpositions {
  checkArgument('exposition', exposition, anExposition);
  checkOptions(options, {});
  const { label = 'cluster', maxAgeMs = 10_000, compress = true, onRendering } = options;
  const { maxBytes = 256 * 1024 * 1024, places = new RenderingLimit({ waitMs: 1000 }) } = options;
  const { bodyPlaces = new RenderingLimit({ waitMs: 1000 }) } = options;
  const fault = labelNameFault(label);
  requireOptions(WorkspacesOptionError, {
    [`label: ${fault ?? ''}`]: fault === undefined,
    'maxAgeMs: pass a number of milliseconds': maxAgeMs >= 0 && maxAgeMs <= largestTimerDelayMs,
    'maxBytes: pass a number of bytes, at most 4 GiB': maxBytes > 0 && maxBytes < 2 ** 32,
  });
  const limited = limitedExposition(exposition, places);
  const renderings = new Map<ExpositionFormat, Rendering>();
  const memory = new SpareSeries(label, maxBytes);

  const render = (format: ExpositionFormat): Rendering => {
    const begun = performance.now();
    const divided = divide(limited, memory, accepted[format]);
    const rendering: Rendering = { divided, readers: 0, isOver: false };
    const forget = (): void => {
      renderings.delete(format);
      rendering.isOver = true;
      void reuse(rendering);
    };
    renderings.set(format, rendering);
    divided.then(
      ({ series }) => {
        tell('workspaceExpositions', onRendering, 'success', series.size);
        const leftMs = maxAgeMs - (performance.now() - begun);
        if (leftMs > 0) setTimeout(forget, leftMs).unref();
        else forget();
      },
      () => {
        renderings.delete(format);
        tell('workspaceExpositions', onRendering, 'failure', { workspaces: 0, bytes: 0 });
      },
    );
    return rendering;
  };
  const reuse = async ({ divided, readers, isOver }: Rendering): Promise<void> => {
    if (isOver && readers === 0) memory.put((await divided).series);
  };

  const ofWorkspace = (cluster: string): Exposition => ({
    contentType: (request) => exposition.contentType({ accept: accepted[formatOf(request)] }),
    async render(request) {
      const format = formatOf(request);
      const rendering = renderings.get(format) ?? render(format);
      const waitMs = Math.min(workingMs(request), maxRenderingMs);
      rendering.readers += 1;
      const known = await inTime(rendering.divided, waitMs);
      if (known === 'timeout') throw failure(`not whole within ${Math.round(waitMs)} ms`, 504);
      const { contentType, series } = known;
      const body = await series.seriesOf(cluster);
      if (body instanceof Uint8Array) {
        rendering.readers -= 1;
        void reuse(rendering);
        return { contentType, body };
      }
      // Its reader sets the pace, and what it holds meanwhile is all of the rendering, whose memory is not used again.
      const streamed = {
        contentType: () => contentType,
        render: () => Promise.resolve({ contentType, body }),
      };
      return limitedExposition(streamed, bodyPlaces).render({
        accept: request.accept,
        signal: request.signal,
        scraper: cluster,
      });
    },
  });
  return {
    of: (cluster) => (compress ? encodedExposition(ofWorkspace(cluster)) : ofWorkspace(cluster)),
  };
}

function formatOf({ accept }: ScrapeRequest): ExpositionFormat {
  return negotiateFormat(accept, true).format;
}

/**
 * The memory of a rendering, to be filled by the next one. Each would else make tens of megabytes of garbage outside the
 * heap, for which V8 marks all objects of the process.
 */
class SpareSeries {
  #series: SeriesByWorkspace | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly label: string,
    private readonly maxBytes: number,
  ) {}

  /** Empty. */
  take(): SeriesByWorkspace {
    const series = this.#series ?? new SeriesByWorkspace(this.label, this.maxBytes);
    this.#series = undefined;
    clearTimeout(this.#timer);
    return series;
  }

  /** Only if nobody reads it any longer. */
  put(series: SeriesByWorkspace): void {
    series.clear();
    this.#series = series;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#series = undefined), spareMs).unref();
  }
}

async function divide(
  exposition: Exposition,
  memory: SpareSeries,
  accept: string,
): Promise<DividedExposition> {
  const deadline = new ReadingDeadline(maxRenderingMs, AbortSignal.timeout(maxRenderingMs));
  const { signal } = deadline;
  try {
    const rendered = await deadline.unlessReached(
      exposition.render({ accept, acceptEncoding: 'identity', signal }),
      abandon,
    );
    const { contentType } = rendered;
    const format = expositionFormat(contentType);
    if (format === undefined || isEncoded(rendered)) {
      await abandon(rendered);
      throw failure(format === undefined ? 'its format is not known' : 'it is encoded');
    }
    const series = memory.take();
    for await (const parts of readTextFormat(deadline.pieces(bodyPieces(rendered)), { format }))
      for (const part of parts) series.write(part);
    await series.finish();
    return { contentType, series };
  } catch (error) {
    if (signal.aborted) throw failure(`not whole within ${maxRenderingMs} ms`, 504);
    const isItsFault = error instanceof TextFormatError || error instanceof SeriesLimitError;
    throw isItsFault ? failure(error.message) : asUpstreamError(error);
  } finally {
    deadline.release();
  }
}

function failure(fault: string, status?: 502 | 504): UpstreamError {
  return new UpstreamError(`the exposition cannot be divided by workspace: ${fault}`, status);
}
