import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bookmark, errorEvent, eventOf, initialEventsEnd, objectOf, statusOf } from './api-objects.js';

/** All objects at one resourceVersion: values by name. */
export type State = ReadonlyMap<string, string>;

/** A moment in one of the server's histories. */
export interface Moment {
  readonly history: number;
  readonly resourceVersion: number;
}

interface Change {
  readonly resourceVersion: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly name: string;
  readonly value: string;
}

/** How a request is turned away or a watch ended. */
export type Trouble = 'unavailable' | 'expired' | 'reset' | 'garbage';

/**
 * An API server as far as lists and watches go: a history of changes, of which it forgets the beginning when it
 * is compacted. Serves pages of two objects.
 */
export class ModelApiServer {
  readonly #server: Server;
  #changes: Change[] = [];
  /** Of each history, all that ever were. */
  readonly #states: State[][] = [[beginningOf(0)]];
  readonly #watches = new Set<ServerResponse>();
  readonly #troubles: Trouble[] = [];
  /** What came before is forgotten. */
  #compacted = 0;
  /** When a list or a watch was last asked for. */
  askedAt: Moment = { history: 0, resourceVersion: 0 };
  knowsWatchList = true;

  constructor() {
    this.#server = createServer(({ url = '/' }, response) => {
      response.on('error', () => undefined);
      const { pathname, searchParams: query } = new URL(url, 'http://server');
      if (pathname === '/readyz') {
        response.end('ok');
        return;
      }
      // Later pages are of the moment of the first.
      if (!query.has('continue')) this.askedAt = this.now;
      const trouble = this.#troubles.shift();
      if (trouble !== undefined) this.#turnAway(trouble, response);
      else if (query.get('watch') === 'true') this.#watch(query, response);
      else this.#list(query, response);
    });
  }

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closing = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closing;
  }

  get now(): Moment {
    const history = this.#states.length - 1;
    return { history, resourceVersion: this.#history(history).length - 1 };
  }

  /** What there is, or was at a moment; undefined where that has not been yet. */
  state({ history, resourceVersion } = this.now): State | undefined {
    return this.#history(history)[resourceVersion];
  }

  set(name: string): void {
    const { history, resourceVersion } = this.#next;
    // No value is given twice, so that no two states are the same.
    const value = `${name}${resourceVersion} of ${history}`;
    const type = this.#current.has(name) ? 'MODIFIED' : 'ADDED';
    this.#change({ resourceVersion, type, name, value }, new Map(this.#current).set(name, value));
  }

  delete(name: string): void {
    const value = this.#current.get(name);
    if (value === undefined) return;
    // Else what is left may have been before.
    this.set('deletions');
    const { resourceVersion } = this.#next;
    const next = new Map(this.#current);
    next.delete(name);
    this.#change({ resourceVersion, type: 'DELETED', name, value }, next);
  }

  /** Dies, and comes back with nothing but what it is given then. */
  loseData(names: readonly string[]): void {
    this.troubleWatches('reset');
    this.#changes = [];
    this.#compacted = 0;
    this.#states.push([beginningOf(this.#states.length)]);
    for (const name of names) this.set(name);
  }

  /** Forgets all changes until now. */
  compact(): void {
    this.#compacted = this.now.resourceVersion;
  }

  sendBookmarks(): void {
    for (const watch of this.#watches) watch.write(bookmark(this.now.resourceVersion));
  }

  endWatches(): void {
    for (const watch of this.#watches) watch.end();
    this.#watches.clear();
  }

  troubleWatches(trouble: Trouble): void {
    for (const watch of this.#watches) {
      if (trouble === 'reset') watch.socket?.resetAndDestroy();
      else {
        watch.end(
          trouble === 'unavailable'
            ? errorEvent(503, 'ServiceUnavailable')
            : trouble === 'expired'
              ? errorEvent(410, 'Expired')
              : '{"type":"ADD',
        );
      }
    }
    this.#watches.clear();
  }

  /** Whatever is asked next. */
  troubleNext(trouble: Trouble): void {
    this.#troubles.push(trouble);
  }

  #history(history: number): readonly State[] {
    return this.#states[history] ?? [];
  }

  get #current(): State {
    return this.state() ?? new Map<string, string>();
  }

  get #next(): Moment {
    const { history, resourceVersion } = this.now;
    return { history, resourceVersion: resourceVersion + 1 };
  }

  #change(change: Change, next: State): void {
    this.#changes.push(change);
    this.#states.at(-1)?.push(next);
    for (const watch of this.#watches) watch.write(this.#lineOf(change));
  }

  #lineOf({ type, name, resourceVersion, value }: Change): string {
    return eventOf(type, name, resourceVersion, value, this.#uid);
  }

  get #uid(): string {
    return `of ${this.now.history}`;
  }

  #turnAway(trouble: Trouble, response: ServerResponse): void {
    switch (trouble) {
      case 'reset':
        response.socket?.resetAndDestroy();
        return;
      case 'unavailable':
        send(response, 503, statusOf(503, 'ServiceUnavailable'));
        return;
      case 'expired':
        send(response, 410, statusOf(410, 'Expired'));
        return;
      case 'garbage':
        response.end('{"items":[{"type":"ADD\n');
    }
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const isWatchList = query.has('sendInitialEvents');
    if (isWatchList && !this.knowsWatchList) {
      send(response, 422, statusOf(422, 'Invalid'));
      return;
    }
    const from = Number(query.get('resourceVersion'));
    if (!isWatchList && from < this.#compacted) {
      send(response, 410, statusOf(410, 'Expired'));
      return;
    }
    response.flushHeaders();
    if (isWatchList) {
      for (const [name, value] of this.#sorted(this.now)) {
        response.write(eventOf('ADDED', name, 1, value, this.#uid));
      }
      response.write(initialEventsEnd(this.now.resourceVersion));
    } else {
      for (const change of this.#changes)
        if (change.resourceVersion > from) response.write(this.#lineOf(change));
    }
    this.#watches.add(response);
    response.on('close', () => this.#watches.delete(response));
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const { now } = this;
    const token = query.get('continue')?.split(' ').map(Number);
    const [history = now.history, resourceVersion = now.resourceVersion, offset = 0] = token ?? [];
    if (history !== now.history || resourceVersion < this.#compacted) {
      send(response, 410, statusOf(410, 'Expired'));
      return;
    }
    const all = this.#sorted({ history, resourceVersion });
    const end = offset + Math.min(2, Number(query.get('limit')));
    send(response, 200, {
      metadata: {
        resourceVersion: String(resourceVersion),
        continue: end < all.length ? `${history} ${resourceVersion} ${end}` : '',
      },
      items: all.slice(offset, end).map(([name, value]) => objectOf(name, 1, value, this.#uid)),
    });
  }

  #sorted(moment: Moment): readonly (readonly [string, string])[] {
    const state = this.state(moment) ?? new Map<string, string>();
    return [...state].sort(([one], [other]) => (one < other ? -1 : 1));
  }
}

/** An object that is always there, so that no two histories have a state in common. */
function beginningOf(history: number): State {
  return new Map([['deletions', `of ${history}`]]);
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
