import type { Item } from './api-objects.js';
import { Arrivals } from './arrivals.js';
import type { ReflectorFault } from '../../../src/kubernetes/kubernetes-errors.js';
import type {
  ReflectorObserver,
  ReflectorSink,
} from '../../../src/kubernetes/reflector/reflector-options.js';

/** Holds what it is told, and each call as a line, to be awaited. */
export class RecordingSink implements ReflectorSink<Item> {
  readonly calls = new Arrivals<string>();
  readonly items = new Map<string, Item>();
  lostSince = 0;
  /** Awaited by each `replace`. */
  beforeReplace: () => Promise<void> = () => Promise.resolve();

  async replace(items: readonly Item[]): Promise<void> {
    await this.beforeReplace();
    this.items.clear();
    for (const item of items) this.items.set(item.name, item);
    this.calls.add(`replace ${items.map(({ name }) => name).join(' ')}`.trim());
  }

  set(item: Item): void {
    this.items.set(item.name, item);
    this.calls.add(`set ${item.name}`);
  }

  delete(name: string): void {
    this.items.delete(name);
    this.calls.add(`delete ${name}`);
  }

  live(): void {
    this.calls.add('live');
  }

  lost(reason: string, since: number): void {
    this.lostSince = since;
    this.calls.add(`lost: ${reason}`);
  }
}

/** Each report as a line: `watch closed`, `list success`. */
export class RecordingObserver implements ReflectorObserver {
  readonly reports: string[] = [];
  readonly applications: number[] = [];
  readonly retries = new Arrivals<{ readonly reason: string; readonly delayMs: number }>();

  listed(method: 'list' | 'watch-list', result: 'success' | ReflectorFault): void {
    this.reports.push(`${method} ${result}`);
  }

  watched(result: 'closed' | ReflectorFault): void {
    this.reports.push(`watch ${result}`);
  }

  applied(seconds: number): void {
    this.applications.push(seconds);
  }

  retrying(reason: string, delayMs: number): void {
    this.retries.add({ reason, delayMs });
  }
}
