import { setImmediate, setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Reflector } from '../../../src/kubernetes/reflector/reflector.js';
import { decodeItem, type Item } from './api-objects.js';
import { httpApiClient } from './http-api-client.js';
import { ModelApiServer, type Moment, type State, type Trouble } from './model-api-server.js';
import type { ReflectorSink } from '../../../src/kubernetes/reflector/reflector-options.js';

/** Holds the sink to what the server was: always one of its states, and never an earlier one than before. */
class HistoryCheckingSink implements ReflectorSink<Item> {
  readonly #server: ModelApiServer;
  #items: State = new Map<string, string>();
  #moment: Moment = { history: 0, resourceVersion: 0 };
  #isLive = false;
  readonly violations: string[] = [];
  #onProgress: () => void = () => undefined;

  constructor(server: ModelApiServer) {
    this.#server = server;
  }

  async replace(items: readonly Item[]): Promise<void> {
    await setImmediate();
    this.#items = new Map(items.map(({ name, value }) => [name, value]));
    const later = [...this.#momentsFrom(this.#moment)].find((moment) => this.#holds(moment));
    this.#become(later, `replace ${JSON.stringify(items)}`);
  }

  set({ name, value }: Item): void {
    this.#items = new Map(this.#items).set(name, value);
    this.#follow(`set ${value}`);
  }

  delete(name: string): void {
    const items = new Map(this.#items);
    items.delete(name);
    this.#items = items;
    this.#follow(`delete ${name}`);
  }

  live(): void {
    this.#isLive = true;
    // Whatever had been revoked when it asked is gone.
    const { askedAt } = this.#server;
    const isBehind =
      this.#moment.history < askedAt.history ||
      (this.#moment.history === askedAt.history && this.#moment.resourceVersion < askedAt.resourceVersion);
    if (isBehind) this.violations.push(`live at ${nameOf(this.#moment)}, asked at ${nameOf(askedAt)}`);
    this.#onProgress();
  }

  lost(): void {
    this.#isLive = false;
  }

  /** Resolves when it is live and holds what the server does. */
  async inStep(): Promise<void> {
    while (!this.#isLive || nameOf(this.#moment) !== nameOf(this.#server.now)) {
      await new Promise<void>((resolve) => (this.#onProgress = resolve));
    }
  }

  /** A change leads to the very next state. */
  #follow(call: string): void {
    const { history, resourceVersion } = this.#moment;
    const next = { history, resourceVersion: resourceVersion + 1 };
    this.#become(this.#holds(next) ? next : undefined, call);
  }

  *#momentsFrom({ history, resourceVersion }: Moment): Generator<Moment> {
    const { now } = this.#server;
    for (let later = history; later <= now.history; later += 1) {
      let at = later === history ? resourceVersion : 0;
      for (; this.#server.state({ history: later, resourceVersion: at }) !== undefined; at += 1) {
        yield { history: later, resourceVersion: at };
      }
    }
  }

  #holds(moment: Moment): boolean {
    const state = this.#server.state(moment);
    return state !== undefined && isSame(state, this.#items);
  }

  #become(moment: Moment | undefined, call: string): void {
    if (moment === undefined) this.violations.push(`${call} after ${nameOf(this.#moment)} never was`);
    else this.#moment = moment;
    this.#onProgress();
  }
}

function nameOf({ history, resourceVersion }: Moment): string {
  return `${resourceVersion} of ${history}`;
}

function isSame(some: State, others: State): boolean {
  return some.size === others.size && [...some].every(([name, value]) => others.get(name) === value);
}

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const trouble = fc.constantFrom<Trouble>('unavailable', 'expired', 'reset', 'garbage');
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('set' as const), name }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('delete' as const), name }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('trouble next' as const), trouble }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('trouble watches' as const), trouble }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom('compact' as const, 'bookmark' as const, 'end watches' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 30) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('catch up' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('lose data' as const),
      names: fc.array(name, { maxLength: 10, size: 'max' }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

async function take(taken: Step, server: ModelApiServer, sink: HistoryCheckingSink): Promise<void> {
  switch (taken.type) {
    case 'set':
      server.set(taken.name);
      return;
    case 'delete':
      server.delete(taken.name);
      return;
    case 'trouble next':
      server.troubleNext(taken.trouble);
      return;
    case 'trouble watches':
      server.troubleWatches(taken.trouble);
      return;
    case 'compact':
      server.compact();
      return;
    case 'bookmark':
      server.sendBookmarks();
      return;
    case 'end watches':
      server.endWatches();
      return;
    case 'lose data':
      server.loseData(taken.names);
      return;
    case 'wait':
      await setTimeout(taken.ms);
      return;
    case 'catch up':
      await sink.inStep();
  }
}

it('whatever happens to connections and history, the sink goes from state to state, and ends with the last', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40, size: 'max' }),
      fc.boolean(),
      async (steps, knowsWatchList) => {
        const server = new ModelApiServer();
        server.knowsWatchList = knowsWatchList;
        const client = httpApiClient(await server.start());
        const sink = new HistoryCheckingSink(server);
        const reflector = new Reflector<Item>({
          client,
          path: '/objects',
          decode: decodeItem,
          sink,
          timing: { catchUpMs: 5, backoffBaseMs: 1, backoffCapMs: 1, shortWatchMs: 10 },
        });
        reflector.start();
        try {
          for (const taken of steps) await take(taken, server, sink);
          await sink.inStep();
          expect(sink.violations).toEqual([]);
        } finally {
          await reflector.close();
          client.close();
          await server.stop();
        }
      },
    ),
    { numRuns: 40, timeout: 10_000, endOnFailure: true },
  );
}, 120_000);
