import { SharingOptionError } from './sharing-error.js';
import { tell } from '../tell.js';

/** Gives a rendering's place back; called once. */
export type LeavePlace = () => void;

/**
 * Who grants renderings their places: a RenderingLimit, or somebody who asks another process for one. Undefined where
 * there is none.
 */
export interface RenderingPlaces {
  /** How many there are; 0: no bound. */
  readonly max: number;
  enter(): LeavePlace | undefined | Promise<LeavePlace | undefined>;
}

export interface RenderingLimitOptions {
  /** Renderings under way at once; 0: no bound. Default 3. */
  readonly max?: number;
  /** How long one waits for a place (ms), while others finish. Default 0: not at all. */
  readonly waitMs?: number;
  /** Told how many renderings are under way, at each change. */
  readonly onChange?: (underWay: number) => void;
  /** Told of each rendering that had no place. */
  readonly onRefused?: () => void;
}

/** More are refused at once. */
const maxWaiting = 100;
const maxWaitMs = 60_000;

interface Waiting {
  readonly resolve: (leave: LeavePlace | undefined) => void;
  readonly timer: NodeJS.Timeout;
}

/** One bound for all expositions that it is given to. @throws SharingOptionError */
export class RenderingLimit implements RenderingPlaces {
  readonly max: number;
  readonly #options: RenderingLimitOptions;
  readonly #waitMs: number;
  /** In the order they came. */
  readonly #waiting = new Set<Waiting>();
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

  enter(): LeavePlace | undefined | Promise<LeavePlace | undefined> {
    if (this.max === 0 || this.#underWay < this.max) return this.#grant();
    if (this.#waitMs > 0 && this.#waiting.size < maxWaiting) return this.#wait();
    this.#refuse();
    return undefined;
  }

  #wait(): Promise<LeavePlace | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        this.#refuse();
        resolve(undefined);
      }, this.#waitMs);
      const waiting = { resolve, timer };
      this.#waiting.add(waiting);
    });
  }

  #grant(): LeavePlace {
    this.#change(1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#change(-1);
      const [next] = this.#waiting;
      if (next === undefined) return;
      this.#waiting.delete(next);
      clearTimeout(next.timer);
      next.resolve(this.#grant());
    };
  }

  #change(by: number): void {
    this.#underWay += by;
    tell('RenderingLimit', () => this.#options.onChange?.(this.#underWay));
  }

  #refuse(): void {
    tell('RenderingLimit', () => this.#options.onRefused?.());
  }
}
