import { MalformedError } from '../kubernetes-errors.js';
import { JsonLines } from './json-lines.js';
import { byName, member, parseJson, stringMember } from '../json.js';
import { StreamedAnswer, type Requests } from './streamed-answer.js';

/** A line of a watch, as far as a reflector reads it. */
export type WatchEvent =
  | {
      readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
      readonly resourceVersion: string;
      /** As it came, to be decoded; a deleted one has a name. */
      readonly object: unknown;
    }
  | {
      readonly type: 'BOOKMARK';
      readonly resourceVersion: string;
      /** Everything there was when the watch began has been sent. */
      readonly endsInitialEvents: boolean;
    }
  /** `object`: a Status, as it came. */
  | { readonly type: 'ERROR'; readonly object: unknown };

const endAnnotation = 'k8s.io/initial-events-end';

/** @throws MalformedError for what is no event of a known type with a resourceVersion. */
function parseWatchEvent(line: string): WatchEvent {
  const event = parseJson(line);
  const type = member(event, 'type');
  const object = member(event, 'object');
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      if (type === 'DELETED' && byName(object) === '') {
        throw new MalformedError('an event of an object without a name');
      }
      return { type, resourceVersion: resourceVersionOf(object), object };
    case 'BOOKMARK':
      return {
        type,
        resourceVersion: resourceVersionOf(object),
        endsInitialEvents: member(object, 'metadata', 'annotations', endAnnotation) === 'true',
      };
    case 'ERROR':
      return { type, object };
    default:
      throw new MalformedError('an event of an unknown type');
  }
}

function resourceVersionOf(object: unknown): string {
  const resourceVersion = stringMember(object, 'metadata', 'resourceVersion');
  if (resourceVersion === undefined) throw new MalformedError('an event without a resourceVersion');
  return resourceVersion;
}

/** The events of one watch, in their order. */
export class WatchStream {
  /** Until the watch's end, and some grace, it may be silent. */
  readonly answer: StreamedAnswer;
  readonly #lines = new JsonLines();
  /** When the latest bytes came, on `performance`'s clock. */
  #arrivedAt = 0;

  /** `query` says where it begins, `seconds` how long the server is asked to go on. */
  constructor(
    private readonly requests: Requests,
    query: Readonly<Record<string, string>>,
    seconds: number,
    /** Told when bytes have come, and when none have for `timing.catchUpMs` and no event is half there. */
    private readonly onHeard: (what: 'bytes' | 'silence') => void,
  ) {
    const { headersMs, watchGraceMs, catchUpMs } = requests.timing;
    this.answer = new StreamedAnswer({
      ...requests,
      query: {
        watch: 'true',
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(seconds),
        ...requests.selector,
        ...query,
      },
      headersMs,
      silenceMs: seconds * 1000 + watchGraceMs,
      // Only a server that goes on without end gets that far.
      totalMs: seconds * 1000 + 2 * watchGraceMs,
      quiet: {
        afterMs: catchUpMs,
        tell: () => {
          if (!this.#lines.isInLine) onHeard('silence');
        },
      },
    });
  }

  /**
   * Gives one event after the other to `handle`, with the time its last byte arrived, until that says stop or the
   * server ends the watch; may then be called again to go on. Until it is called, the server has to wait.
   *
   * @throws ReflectorFailure or MalformedError where the events break off; what `handle` throws.
   */
  async each(
    handle: (event: WatchEvent, arrivedAt: number) => 'go on' | 'stop',
  ): Promise<'stopped' | 'ended'> {
    const { slice, signal } = this.requests;
    for (;;) {
      for (let line = this.#lines.next(); line !== undefined; line = this.#lines.next()) {
        if (handle(parseWatchEvent(line), this.#arrivedAt) === 'stop') return 'stopped';
        if (slice.isOver) await slice.rest();
        signal.throwIfAborted();
      }
      const chunk = await this.answer.chunks.next();
      if (chunk.done === true) break;
      this.#arrivedAt = performance.now();
      this.onHeard('bytes');
      this.#lines.write(chunk.value);
    }
    this.#lines.end();
    return 'ended';
  }
}
