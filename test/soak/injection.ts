import { connect, type TLSSocket } from 'node:tls';
import { Expected } from './expected.js';
import type { FilterProcess } from './filter-process.js';
import type { Scraper } from './scrapers.js';
import type { Secrets } from '../support/secrets.js';

/** What `SOAK_INJECT` asks for: a fault that the soak has to find, so that it is known to find them. */
export interface Injection {
  scrapers(honest: readonly Scraper[]): readonly Scraper[];
  /** In the storm; returns how to end it. */
  start(filter: FilterProcess, secrets: Secrets): () => void;
}

const nothing: Injection = { scrapers: (honest) => honest, start: () => () => undefined };

const injections: Readonly<Record<string, Injection>> = {
  /** Somebody whom nobody has bound has to be served. */
  answer: {
    ...nothing,
    scrapers: (honest) => [
      ...honest,
      { who: 'injected', credentials: () => ({}), expected: new Expected(200) },
    ],
  },
  /** What every line of the log holds is a secret. */
  secret: {
    ...nothing,
    start(_, secrets) {
      secrets.add('kcp-metrics-filter');
      return () => undefined;
    },
  },
  /** Connections are opened and never closed. */
  descriptors: {
    ...nothing,
    start({ port }) {
      const open: TLSSocket[] = [];
      const timer = setInterval(() => {
        const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
        open.push(socket.on('error', () => undefined));
      }, 300);
      return () => {
        clearInterval(timer);
        for (const socket of open) socket.destroy();
      };
    },
  },
  /** The filter stands still for more than half of each second. */
  latency: {
    ...nothing,
    start({ pid }) {
      let resumed: NodeJS.Timeout | undefined;
      const timer = setInterval(() => {
        process.kill(pid, 'SIGSTOP');
        resumed = setTimeout(() => process.kill(pid, 'SIGCONT'), 600);
      }, 1_000);
      return () => {
        clearInterval(timer);
        clearTimeout(resumed);
        process.kill(pid, 'SIGCONT');
      };
    },
  },
};

const asked = process.env['SOAK_INJECT'] ?? '';

/** By `SOAK_INJECT`: answer, secret, descriptors or latency; default: no fault. */
export const injection: Injection = asked === '' ? nothing : injected(asked);

function injected(name: string): Injection {
  const found = injections[name];
  if (found === undefined) {
    throw new Error(`SOAK_INJECT: ${name} is none of ${Object.keys(injections).join(', ')}`);
  }
  return found;
}
