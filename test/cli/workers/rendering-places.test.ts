import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PrimaryMessage, WorkerMessage } from '../../../src/cli/workers/link-messages.js';
import { GrantedPlaces, LeasedPlaces } from '../../../src/cli/workers/rendering-places.js';
import { RenderingLimit, type LeavePlace } from '../../../src/exposition/delivery/rendering-limit.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Workers and their primary, whose messages arrive in order, when they are told to. */
class Processes {
  readonly limit: RenderingLimit;
  readonly workers: readonly SimulatedWorker[];

  constructor(max: number, count = 2) {
    this.limit = new RenderingLimit({ max, waitMs: 60_000 });
    this.workers = Array.from(
      { length: count },
      () =>
        new SimulatedWorker(this.limit, () => {
          for (const worker of this.workers) worker.granted.recall();
        }),
    );
  }

  worker(at = 0): SimulatedWorker {
    const worker = this.workers[at];
    if (worker === undefined) throw new Error('no such worker');
    return worker;
  }

  /** Until no message is on its way. */
  async deliver(): Promise<void> {
    do {
      for (const worker of this.workers) {
        while (worker.up.length > 0) worker.deliverUp();
        await turn();
        while (worker.down.length > 0) worker.deliverDown();
        await turn();
      }
    } while (this.workers.some(({ up, down }) => up.length + down.length > 0));
  }
}

interface Inside {
  readonly scraper: string | undefined;
  readonly leave: LeavePlace;
}

class SimulatedWorker {
  readonly up: WorkerMessage[] = [];
  readonly down: PrimaryMessage[] = [];
  /** The kinds of all messages it has sent. */
  readonly sent: string[] = [];
  readonly received: string[] = [];
  readonly inside: Inside[] = [];
  readonly places: LeasedPlaces;
  readonly granted: GrantedPlaces;
  told = 0;
  waiting = 0;
  refused = 0;
  isDead = false;

  constructor(limit: RenderingLimit, onWaiting: () => void) {
    const send = (message: WorkerMessage): void => {
      this.sent.push(message.kind);
      if (!this.isDead) this.up.push(message);
    };
    this.places = new LeasedPlaces(limit.max, send, (underWay) => (this.told = underWay));
    this.granted = new GrantedPlaces(limit, (message) => this.isDead || this.down.push(message), onWaiting);
  }

  enter(scraper?: string): void {
    const entered = (leave: LeavePlace | undefined): void => {
      if (leave === undefined) this.refused += 1;
      else this.inside.push({ scraper, leave });
    };
    const entering = this.places.enter(scraper);
    if (!(entering instanceof Promise)) {
      entered(entering);
      return;
    }
    this.waiting += 1;
    void entering.then((leave) => {
      this.waiting -= 1;
      entered(leave);
    });
  }

  leave(): void {
    this.inside.shift()?.leave();
  }

  deliverUp(): void {
    const message = this.up.shift();
    if (message?.kind === 'enter') this.granted.enter(message);
    else if (message?.kind === 'leave') this.granted.leave(message.place);
  }

  deliverDown(): void {
    const message = this.down.shift();
    if (message === undefined) return;
    this.received.push(message.kind === 'place' ? message.grant : message.kind);
    if (message.kind === 'place') this.places.granted(message);
    else if (message.kind === 'recall-places') this.places.recalled();
  }

  die(): void {
    this.isDead = true;
    this.up.length = 0;
    this.down.length = 0;
    this.inside.length = 0;
    this.granted.close();
  }
}

async function turn(): Promise<void> {
  await new Promise(setImmediate);
}

/** Two workers, of which the first has a rendering inside. */
async function oneInside(max: number, scraper?: string) {
  const processes = new Processes(max);
  const [worker, other] = [processes.worker(0), processes.worker(1)];
  worker.enter(scraper);
  await processes.deliver();
  return { processes, worker, other };
}

describe('the places that a worker has for its renderings', () => {
  it('serve one rendering after the other, and are asked for once', async () => {
    const { processes, worker } = await oneInside(3, 'a');
    for (let rendering = 0; rendering < 20; rendering += 1) {
      worker.leave();
      worker.enter('a');
      expect(worker.inside).toHaveLength(1);
    }
    expect([worker.sent, worker.received, processes.limit.underWay]).toEqual([
      ['enter'],
      ['until-recalled'],
      1,
    ]);
  });

  it('are given back when they were idle for a while, and not before', async () => {
    const processes = new Processes(3);
    const worker = processes.worker();
    worker.enter('a');
    worker.enter('a');
    await processes.deliver();
    vi.advanceTimersByTime(10_000);
    worker.leave();
    vi.advanceTimersByTime(99);
    expect(worker.up).toEqual([]);
    vi.advanceTimersByTime(101);
    await processes.deliver();
    expect([worker.sent, processes.limit.underWay]).toEqual([['enter', 'enter', 'leave'], 1]);
    worker.leave();
    vi.advanceTimersByTime(200);
    await processes.deliver();
    expect(processes.limit.underWay).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are kept while they are used again and again, however long', async () => {
    const { worker } = await oneInside(3, 'a');
    for (let rendering = 0; rendering < 100; rendering += 1) {
      worker.leave();
      vi.advanceTimersByTime(60);
      worker.enter('a');
      vi.advanceTimersByTime(60);
    }
    expect(worker.sent).toEqual(['enter']);
  });

  it.each([['a', undefined] as const, [undefined, 'a'] as const, ['a', 'b'] as const])(
    'of %j are none of %j',
    async (own, other) => {
      const { processes, worker } = await oneInside(5, own);
      worker.leave();
      worker.enter(other);
      expect(worker.inside).toEqual([]);
      await processes.deliver();
      expect([worker.inside.length, processes.limit.underWay]).toEqual([1, 2]);
    },
  );

  it('are given back at once when they are idle and another worker waits', async () => {
    const { processes, worker: one, other } = await oneInside(2, 'a');
    one.leave();
    other.enter('a');
    await processes.deliver();
    expect([one.sent, other.inside.length]).toEqual([['enter', 'leave'], 1]);
    expect([one.received, other.received]).toEqual([['until-recalled', 'recall-places'], ['until-recalled']]);
  });

  it('are given back after their rendering when they are in use and another waits', async () => {
    const { processes, worker: one, other } = await oneInside(2, 'a');
    other.enter('a');
    await processes.deliver();
    expect([one.inside.length, other.inside.length]).toEqual([1, 0]);
    one.leave();
    one.enter('a');
    await processes.deliver();
    expect([one.inside.length, other.inside.length]).toEqual([0, 1]);
  });

  it('are for one rendering where others wait already, who need not recall them', async () => {
    const { processes, worker: one, other } = await oneInside(1, 'a');
    other.enter('b');
    one.enter('a');
    await processes.deliver();
    for (let rendering = 0; rendering < 5; rendering += 1) {
      one.leave();
      await processes.deliver();
      one.enter('a');
      other.leave();
      await processes.deliver();
      other.enter('b');
      await processes.deliver();
    }
    expect([one, other].map(({ received }) => received.filter((kind) => kind === 'recall-places'))).toEqual([
      ['recall-places'],
      [],
    ]);
  });

  it('are four at most that are idle', async () => {
    const processes = new Processes(20);
    const worker = processes.worker();
    for (let place = 0; place < 10; place += 1) worker.enter('a');
    await processes.deliver();
    while (worker.inside.length > 0) worker.leave();
    await processes.deliver();
    expect(processes.limit.underWay).toBe(4);
  });

  it('need nobody where there is no bound', () => {
    const worker = new Processes(0).worker();
    for (let rendering = 0; rendering < 50; rendering += 1) worker.enter('a');
    expect([worker.inside.length, worker.told, worker.sent]).toEqual([50, 50, []]);
  });

  it('are ten thousand at most, with those that are waited for', () => {
    const worker = new Processes(20_000).worker();
    for (let rendering = 0; rendering < 10_001; rendering += 1) worker.enter('a');
    expect([worker.sent.length, worker.refused]).toEqual([10_000, 1]);
  });

  it('are told as long as a rendering has them', async () => {
    const processes = new Processes(3);
    const worker = processes.worker();
    worker.enter('a');
    worker.enter('a');
    await processes.deliver();
    expect(worker.told).toBe(2);
    const [first] = worker.inside;
    first?.leave();
    first?.leave();
    expect([worker.told, processes.limit.underWay]).toEqual([1, 2]);
  });

  it('are none once it is closed, and those it waits for are refused', async () => {
    const { processes, worker } = await oneInside(2, 'a');
    worker.enter('a');
    worker.leave();
    worker.places.close();
    worker.enter('a');
    await processes.deliver();
    expect([worker.inside.length, worker.refused, processes.limit.underWay]).toEqual([0, 2, 0]);
  });

  it('are free again when it dies, also what is granted to it later', async () => {
    const { processes, worker: one, other } = await oneInside(2, 'a');
    one.enter('a');
    one.deliverUp();
    other.enter('a');
    await processes.deliver();
    one.die();
    await processes.deliver();
    expect([other.inside.length, processes.limit.underWay]).toEqual([1, 1]);
  });

  it('are never more than the limit of all workers, nor lost, in whatever order messages arrive', async () => {
    const action = fc.constantFrom('enter', 'leave', 'up', 'down', 'wait', 'die');
    const step = fc.record({
      at: fc.nat(2),
      scraper: fc.constantFrom('a', 'b', undefined),
      action: fc.oneof({ weight: 5, arbitrary: action.filter((each) => each !== 'die') }, action),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { maxLength: 80 }),
        async (max, steps) => {
          const processes = new Processes(max, 3);
          const { limit, workers } = processes;
          const isWithin = (): void => {
            const inside = workers.flatMap((worker) => worker.inside);
            expect(inside.length).toBeLessThanOrEqual(limit.underWay);
            expect(limit.underWay).toBeLessThanOrEqual(max);
            for (const name of ['a', 'b', undefined]) {
              const own = inside.filter(({ scraper }) => scraper === name).length;
              expect(own).toBeLessThanOrEqual(Math.max(1, max - 1));
            }
          };
          for (const { at, scraper, action: does } of steps) {
            const worker = processes.worker(at);
            if (worker.isDead) continue;
            if (does === 'enter') worker.enter(scraper);
            else if (does === 'leave') worker.leave();
            else if (does === 'up') worker.deliverUp();
            else if (does === 'down') worker.deliverDown();
            else if (does === 'wait') vi.advanceTimersByTime(60);
            else worker.die();
            await turn();
            isWithin();
          }
          // Whoever waits gets a place without any clock: idle places are recalled.
          const living = workers.filter(({ isDead }) => !isDead);
          await processes.deliver();
          while (living.some(({ inside }) => inside.length > 0)) {
            for (const worker of living) worker.leave();
            await processes.deliver();
            isWithin();
          }
          expect(living.map(({ waiting, refused, told }) => [waiting, refused, told])).toEqual(
            living.map(() => [0, 0, 0]),
          );
          vi.advanceTimersByTime(200);
          await processes.deliver();
          expect(limit.underWay).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });
});
