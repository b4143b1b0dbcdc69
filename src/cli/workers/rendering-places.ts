import type {
  LeavePlace,
  RenderingLimit,
  RenderingPlaces,
} from '../../exposition/delivery/rendering-limit.js';
import type { PrimaryMessage, WorkerMessage } from './link-messages.js';

/** A worker numbers its places itself; this bounds how many it has or waits for at once. */
const maxPlaces = 10_000;

/** Idle places that a worker keeps: one for each format and path that is scraped again and again. */
const maxIdle = 4;

/** An idle place is given back after once to twice this time (ms). */
const idleMs = 100;

interface Place {
  readonly place: number;
  readonly scraper: string | undefined;
  /** Whether it is kept when its rendering is over. */
  isKept: boolean;
  /** Whether it was used since the idle ones were looked through. */
  isFresh: boolean;
}

interface Waiting {
  readonly scraper: string | undefined;
  readonly resolve: (leave: LeavePlace | undefined) => void;
}

/**
 * The places of one worker, granted by the primary's limit. A place is for one rendering at a time. The worker keeps it for
 * the next rendering of the same scraper, until it is idle for a while or the primary recalls it because another waits:
 * asking for each rendering would cost half as much as a small scrape.
 */
export class LeasedPlaces implements RenderingPlaces {
  readonly #waiting = new Map<number, Waiting>();
  readonly #held = new Set<Place>();
  readonly #idle = new Set<Place>();
  #last = 0;
  #underWay = 0;
  #looking: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `onChange` is called with the number of this worker's renderings. */
  constructor(
    readonly max: number,
    private readonly send: (message: WorkerMessage) => void,
    private readonly onChange: (underWay: number) => void,
  ) {}

  enter(scraper?: string): LeavePlace | undefined | Promise<LeavePlace | undefined> {
    if (this.#isClosed) return undefined;
    if (this.max === 0) return this.#begin(() => undefined);
    for (const idle of this.#idle) {
      if (idle.scraper !== scraper) continue;
      this.#idle.delete(idle);
      return this.#use(idle);
    }
    if (this.#waiting.size + this.#held.size >= maxPlaces) return undefined;
    return new Promise((resolve) => {
      this.#last += 1;
      this.#waiting.set(this.#last, { scraper, resolve });
      this.send({ kind: 'enter', place: this.#last, scraper });
    });
  }

  granted({ place, grant }: PrimaryMessage & { readonly kind: 'place' }): void {
    const waiting = this.#waiting.get(place);
    this.#waiting.delete(place);
    if (grant === 'refused') {
      waiting?.resolve(undefined);
      return;
    }
    if (waiting === undefined) {
      this.send({ kind: 'leave', place });
      return;
    }
    const { scraper, resolve } = waiting;
    const held: Place = { place, scraper, isKept: grant === 'until-recalled', isFresh: true };
    this.#held.add(held);
    resolve(this.#use(held));
  }

  /** Others wait: what is idle is given back now, what is in use when its rendering is over. */
  recalled(): void {
    for (const held of this.#held) held.isKept = false;
    for (const idle of this.#idle) this.#giveBack(idle);
  }

  /** The primary is gone or this worker ends: no rendering begins any more. */
  close(): void {
    this.#isClosed = true;
    this.recalled();
    for (const { resolve } of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
    clearTimeout(this.#looking);
  }

  #use(held: Place): LeavePlace {
    return this.#begin(() => {
      if (!held.isKept || this.#idle.size >= maxIdle) {
        this.#giveBack(held);
        return;
      }
      held.isFresh = true;
      this.#idle.add(held);
      this.#looking ??= setTimeout(this.#look, idleMs).unref();
    });
  }

  #begin(onOver: () => void): LeavePlace {
    this.#count(1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#count(-1);
      onOver();
    };
  }

  #count(by: 1 | -1): void {
    this.#underWay += by;
    this.onChange(this.#underWay);
  }

  readonly #look = (): void => {
    this.#looking = undefined;
    for (const idle of this.#idle) {
      if (!idle.isFresh) this.#giveBack(idle);
      idle.isFresh = false;
    }
    if (this.#idle.size > 0) this.#looking = setTimeout(this.#look, idleMs).unref();
  };

  #giveBack(held: Place): void {
    this.#idle.delete(held);
    this.#held.delete(held);
    this.send({ kind: 'leave', place: held.place });
  }
}

/** The places that the primary has granted to one worker. Each counts as a rendering until the worker gives it back. */
export class GrantedPlaces {
  readonly #granted = new Map<number, LeavePlace>();
  /** Whether the worker may hold places that it does not use. */
  #mayHoldIdle = false;
  #isClosed = false;

  /** `onWaiting` is called when a rendering has to wait: all workers are to be recalled then. */
  constructor(
    private readonly limit: RenderingLimit,
    private readonly send: (message: PrimaryMessage) => void,
    private readonly onWaiting: () => void,
  ) {}

  enter({ place, scraper }: WorkerMessage & { readonly kind: 'enter' }): void {
    const entering = this.#granted.size < maxPlaces ? this.limit.enter(scraper) : undefined;
    if (!(entering instanceof Promise)) {
      this.#answer(place, entering);
      return;
    }
    this.onWaiting();
    void entering.then((leave) => {
      this.#answer(place, leave);
    });
  }

  leave(place: number): void {
    this.#granted.get(place)?.();
    this.#granted.delete(place);
  }

  recall(): void {
    if (!this.#mayHoldIdle) return;
    this.#mayHoldIdle = false;
    this.send({ kind: 'recall-places' });
  }

  /** The worker has ended or is about to: it would never give them back. */
  close(): void {
    this.#isClosed = true;
    for (const leave of this.#granted.values()) leave();
    this.#granted.clear();
  }

  #answer(place: number, leave: LeavePlace | undefined): void {
    if (this.#isClosed) {
      leave?.();
      return;
    }
    if (leave === undefined) {
      this.send({ kind: 'place', place, grant: 'refused' });
      return;
    }
    this.#granted.set(place, leave);
    const isKept = !this.limit.isAwaited;
    this.#mayHoldIdle ||= isKept;
    this.send({ kind: 'place', place, grant: isKept ? 'until-recalled' : 'once' });
  }
}
