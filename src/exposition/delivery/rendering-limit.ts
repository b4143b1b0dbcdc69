import { tell } from '../../tell.js';
import { BodySource } from '../body.js';
import { anExposition, isStreamed, type Exposition } from '../exposition.js';
import { SharingOptionError, TooManyScrapesError } from '../exposition-errors.js';
import { checkArgument, checkOptions, having } from '../../option-checks.js';

/** Releases a rendering's place; call it once. */
export type LeavePlace = () => void;

/** Grants places for renderings: a RenderingLimit, or a client that asks another process for them. */
export interface RenderingPlaces {
  /** How many there are; 0: no bound. */
  readonly max: number;
  /**
   * Undefined where there is no place.
   *
   * @param scraper whose place it is; all unknown scrapers count as one.
   */
  enter(scraper?: string): LeavePlace | undefined | Promise<LeavePlace | undefined>;
}

export interface RenderingLimitOptions {
  /** The most simultaneous renderings, one less for a single scraper; 0: no bound. Default 3. */
  readonly max?: number;
  /** How long a scrape waits for a place (ms), while others finish. Default 0: not at all. */
  readonly waitMs?: number;
  /** Called with the number of renderings in flight, at each change. */
  readonly onChange?: (underWay: number) => void;
  /** Called for each rendering that got no place. */
  readonly onRefused?: () => void;
}

/** The most waiting scrapes, half of them for a single scraper; more are refused at once. */
const maxWaiting = 100;
const maxWaitMs = 60_000;

interface Waiting {
  readonly scraper: string;
  readonly resolve: (leave: LeavePlace | undefined) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * One bound for all expositions that share it. A single scraper never gets all places, unless there is only one: even if
 * it varies its requests and reads slowly, a place is left for others.
 *
 * @throws SharingOptionError
 */
export class RenderingLimit implements RenderingPlaces {
  readonly max: number;
  readonly #options: RenderingLimitOptions;
  readonly #waitMs: number;
  /** In the order they came. */
  readonly #waiting = new Set<Waiting>();
  /** How many places each scraper has. */
  readonly #held = new Map<string, number>();
  #underWay = 0;

  constructor(options: RenderingLimitOptions = {}) {
    checkOptions(options, {});
    const { max = 3, waitMs = 0 } = options;
    if (!(Number.isSafeInteger(max) && max >= 0)) {
      throw new SharingOptionError('max: must be a whole number; 0: no bound');
    }
    if (!(waitMs >= 0 && waitMs <= maxWaitMs)) {
      throw new SharingOptionError('waitMs: must be a number of milliseconds, at most a minute');
    }
    this.max = max;
    this.#waitMs = waitMs;
    this.#options = options;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Whether a scrape waits for a place. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  enter(scraper = ''): LeavePlace | undefined | Promise<LeavePlace | undefined> {
    if (this.#mayEnter(scraper)) return this.#grant(scraper);
    if (this.#waitMs > 0 && this.#mayWait(scraper)) return this.#wait(scraper);
    this.#refuse();
    return undefined;
  }

  #mayEnter(scraper: string): boolean {
    if (this.max === 0) return true;
    return this.#underWay < this.max && (this.#held.get(scraper) ?? 0) < Math.max(1, this.max - 1);
  }

  #mayWait(scraper: string): boolean {
    const own = [...this.#waiting].filter((waiting) => waiting.scraper === scraper);
    return this.#waiting.size < maxWaiting && own.length < maxWaiting / 2;
  }

  #wait(scraper: string): Promise<LeavePlace | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        this.#refuse();
        resolve(undefined);
      }, this.#waitMs);
      const waiting = { scraper, resolve, timer };
      this.#waiting.add(waiting);
    });
  }

  #grant(scraper: string): LeavePlace {
    this.#change(scraper, 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#change(scraper, -1);
      const next = [...this.#waiting].find((waiting) => this.#mayEnter(waiting.scraper));
      if (next === undefined) return;
      this.#waiting.delete(next);
      clearTimeout(next.timer);
      next.resolve(this.#grant(next.scraper));
    };
  }

  #change(scraper: string, by: 1 | -1): void {
    this.#underWay += by;
    const held = (this.#held.get(scraper) ?? 0) + by;
    if (held > 0) this.#held.set(scraper, held);
    else this.#held.delete(scraper);
    tell('RenderingLimit', this.#options.onChange, this.#underWay);
  }

  #refuse(): void {
    tell('RenderingLimit', this.#options.onRefused);
  }
}

/**
 * Another exposition, rendered only if there is a place. A rendering keeps its place until its body ends, fails or is
 * closed, even after its scraper has left. So wrap it in `sharedExposition`, not the other way round.
 *
 * `render` rejects with a TooManyScrapesError if there is no place. HEAD needs none.
 */
export function limitedExposition(exposition: Exposition, places: RenderingPlaces): Exposition {
  checkArgument('exposition', exposition, anExposition);
  checkArgument('places', places, having('new RenderingLimit(options)', 'enter'));
  return {
    contentType: (request) => exposition.contentType(request),
    async render(request) {
      const entering = places.enter(request.scraper);
      const leave = entering instanceof Promise ? await entering : entering;
      if (leave === undefined) throw new TooManyScrapesError(places.max);
      try {
        request.signal?.throwIfAborted();
        const rendered = await exposition.render(request);
        if (isStreamed(rendered)) return { ...rendered, body: new BodySource(rendered.body, leave) };
        leave();
        return rendered;
      } catch (error) {
        leave();
        throw error;
      }
    },
  };
}
