import { SharingOptionError } from './sharing-error.js';

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
  /** Told how many renderings are under way, at each change. */
  readonly onChange?: (underWay: number) => void;
  /** Told of each rendering that had no place. */
  readonly onRefused?: () => void;
}

/** One bound for all expositions that it is given to. @throws SharingOptionError */
export class RenderingLimit implements RenderingPlaces {
  readonly max: number;
  readonly #options: RenderingLimitOptions;
  #underWay = 0;

  constructor(options: RenderingLimitOptions = {}) {
    const { max = 3 } = options;
    if (!(Number.isSafeInteger(max) && max >= 0)) {
      throw new SharingOptionError('max: must be a whole number; 0: no bound');
    }
    this.max = max;
    this.#options = options;
  }

  get underWay(): number {
    return this.#underWay;
  }

  enter(): LeavePlace | undefined {
    const { onChange, onRefused } = this.#options;
    if (this.max > 0 && this.#underWay >= this.max) {
      tell(() => onRefused?.());
      return undefined;
    }
    const change = (by: number): void => {
      this.#underWay += by;
      tell(() => onChange?.(this.#underWay));
    };
    change(1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      change(-1);
    };
  }
}

/** Whoever listens cannot make a scrape fail. */
function tell(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    process.emitWarning(
      `a callback of the limit failed with ${error instanceof Error ? error.name : typeof error}`,
    );
  }
}
