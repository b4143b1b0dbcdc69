import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { AggregatorRegistry, type Registry } from 'prom-client';
import { reportMetrics } from '../../../src/exposition/workers/report-metrics.js';
import { inLabelOrder } from '../../../src/exposition/workers/samples.js';
import {
  workersExposition,
  type WorkersExposition,
  type WorkersExpositionOptions,
} from '../../../src/exposition/workers/workers-exposition.js';
import { bytesOf, type AnyRegistry } from '../sources/registries/rendered.js';

/** Workers of this very thread, each behind a port of its own. */
export class PortWorkers {
  readonly #ports: MessagePort[] = [];

  /** The port that the process that is scraped has of a worker with these registries. */
  worker(registries: readonly AnyRegistry[], group?: string): MessagePort {
    const { port1, port2 } = this.pair();
    reportMetrics({ registries, channel: port2, ...(group === undefined ? {} : { group }) });
    return port1;
  }

  pair(): MessageChannel {
    const channel = new MessageChannel();
    this.#ports.push(channel.port1, channel.port2);
    return channel;
  }

  close(): void {
    for (const port of this.#ports.splice(0)) port.close();
  }
}

/** An exposition that has heard of all its workers. */
export async function openExposition(options: WorkersExpositionOptions): Promise<WorkersExposition> {
  const exposition = workersExposition(options);
  await messagesOnTheirWay();
  return exposition;
}

/** Resolves when what was sent over ports of this thread before has been received. */
export async function messagesOnTheirWay(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  for (let hop = 0; hop < 4; hop += 1) {
    await new Promise<void>((resolve) => {
      port2.once('message', resolve);
      port1.postMessage('');
    });
  }
  port1.close();
}

export async function textOf(exposition: WorkersExposition, accept = ''): Promise<string> {
  const { body } = await exposition.render({ accept });
  return (await bytesOf(body)).toString();
}

/** What is left of an exposition where neither the order of lines nor that of labels counts. */
export function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      if (line.startsWith('#')) return line;
      const gap = line.lastIndexOf(' ');
      return `${inLabelOrder(line.slice(0, gap))}${line.slice(gap)}`;
    })
    .sort();
}

/** What prom-client makes of the same registries. */
export async function aggregatedByPromClient(registries: readonly Registry[]): Promise<string> {
  // prom-client writes default labels into what it keeps where it is asked for JSON.
  const metrics = await Promise.all(registries.map((registry) => registry.getMetricsAsJSON()));
  return AggregatorRegistry.aggregate(structuredClone(metrics)).metrics();
}
