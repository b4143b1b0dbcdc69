import { expect } from 'vitest';
import { Reflector, type ReflectorOptions } from '../../../src/kubernetes/reflector/reflector.js';
import type { ReflectorTiming } from '../../../src/kubernetes/reflector/reflector-options.js';
import type { ApiClient } from '../../../src/kubernetes/api-client.js';
import { decodeItem, type Item } from './api-objects.js';
import { httpApiClient } from './http-api-client.js';
import { RecordingObserver, RecordingSink } from './recording-sink.js';
import { ScriptedApiServer, type Answer } from './scripted-api-server.js';

export const path = '/apis/rbac.authorization.k8s.io/v1/clusterroles';

/** Quick, and patient where a test is not about patience. */
const quickTiming: Partial<ReflectorTiming> = {
  catchUpMs: 20,
  shortWatchMs: 0,
  backoffBaseMs: 20,
  backoffCapMs: 20,
};

/** A reflector of a scripted server, with whatever it tells. */
export class Following {
  readonly server = new ScriptedApiServer();
  readonly sink = new RecordingSink();
  readonly observer = new RecordingObserver();
  #client: ApiClient | undefined;
  #reflector: Reflector<Item> | undefined;

  /** Follows a server that gives these answers. */
  async start(
    answers: readonly Answer[],
    timing: Partial<ReflectorTiming> = {},
    options: Partial<ReflectorOptions<Item>> = {},
  ): Promise<Reflector<Item>> {
    await this.server.start();
    this.server.script(...answers);
    this.#client = httpApiClient(this.server.port);
    this.#reflector = new Reflector<Item>({
      client: this.#client,
      path,
      decode: decodeItem,
      sink: this.sink,
      observer: this.observer,
      timing: { ...quickTiming, ...timing },
      ...options,
    });
    this.#reflector.start();
    return this.#reflector;
  }

  /** The sink's next calls, as many as this asks for. */
  async calls(count: number): Promise<readonly string[]> {
    const calls: string[] = [];
    while (calls.length < count) calls.push(await this.sink.calls.next());
    return calls;
  }

  /** The requests so far: `watch-list`, `watch 10`, `list`, `list token`. */
  get requests(): readonly string[] {
    return this.server.exchanges.map(({ query }) => {
      if (query.has('sendInitialEvents')) return 'watch-list';
      if (query.has('watch')) return `watch ${query.get('resourceVersion') ?? ''}`;
      return `list ${query.get('continue') ?? ''}`.trim();
    });
  }

  async stop(): Promise<void> {
    await this.#reflector?.close();
    this.#client?.close();
    await this.server.stop();
  }
}

/** A call of the sink's `lost`. */
export function lost(activity: 'watch' | 'list' | 'watch-list', reason: string): string {
  return `lost: ${activity} of ${path}: ${reason}`;
}

/** Awaits what the sink is to be told, and compares whatever else happened until then. */
export async function expectOutcome(
  following: Following,
  { calls, reports, requests }: Omit<Fault, 'answers'>,
): Promise<void> {
  expect(await following.calls(calls.length)).toEqual(calls);
  expect(following.requests).toEqual(requests);
  expect(following.observer.reports).toEqual(reports);
}

/** What a server does, and what becomes of it. */
export interface Fault {
  /** The server's answers, one request after the other; then an open watch that says nothing. */
  readonly answers: readonly Answer[];
  /** What the sink is told. */
  readonly calls: readonly string[];
  /** What the observer is told. */
  readonly reports: readonly string[];
  readonly requests: readonly string[];
}
