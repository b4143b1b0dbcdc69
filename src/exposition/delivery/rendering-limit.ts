import { tell } from '../../tell.js';
import { SharingOptionError } from '../exposition-errors.js';

/** Gives a rendering's place back; called once. */
export type LeavePlace = () => void;

/**
 * Who grants renderings their places: a RenderingLimit, or somebody who asks another process for one. Undefined where
 * there is none.
 */
export interface RenderingPlaces {
  /** How many there are; 0: no bound. */
  readonly max: number;
  /** `scraper`: on whose account; all who are not known are one. */
  enter(scraper?: string): LeavePlace | undefined | Promise<LeavePlace | undefined>;
}

export interface RenderingLimitOptions {
  /** Renderings under way at once, and of one scraper all but one of them; 0: no bound. Default 3. */
  readonly max?: number;
  /** How long one waits for a place (ms), while others finish. Default 0: not at all. */
  readonly waitMs?: number;
  /** Told how many renderings are under way, at each change. */
  readonly onChange?: (underWay: number) => void;
  /** Told of each rendering that had no place. */
  readonly onRefused?: () => void;
}

/** More are refused at once; so are those of one scraper beyond half of them. */
const maxWaiting = 100;
const maxWaitMs = 60_000;

interface Waiting {
  readonly scraper: string;
  readonly resolve: (leave: LeavePlace | undefined) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * One bound for all expositions that it is given to. One scraper never has all places, unless there is only one: who
 * asks in many ways, and takes the answers slowly, leaves a place to others.
 *
 * @throws SharingOptionError
 */
export class RenderingLimit implements RenderingPlaces {
  readonly max: number;
  readonly #options: RenderingLimitOptions;
  readonly #waitMs: number;
  /** In the order they came. */
  readonly #waiting = new Set<Waiting>();
  /** How many each scraper has under way. */
  readonly #held = new Map<string, number>();
  #underWay = 0;

  constructor(options: RenderingLimitOptions = {}) {
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
