import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { Expected } from './expected.js';
import { Scrapers } from './scrapers.js';

const bytes = 130_000;
const scrapers = 8;

/** A server without a filter, in a process of its own, and its scrapers: what they meet, the machine does. */
export interface BareServer {
  readonly scrapers: Scrapers;
  stop(): Promise<void>;
}

export async function startBareServer(perSecond: number): Promise<BareServer> {
  const authority = await createAuthority({ commonName: 'bare-ca' });
  const pair = await authority.issue({
    commonName: 'localhost',
    usage: 'serverAuth',
    dnsNames: ['localhost'],
  });
  const child = fork(fileURLToPath(new URL('bare-server.mjs', import.meta.url)));
  child.send({ cert: pair.certificatePem, key: pair.privateKeyPem, bytes });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  const running = new Scrapers({
    port,
    servingAuthority: authority.certificatePem,
    perSecond,
    scrapers: Array.from({ length: scrapers }, (_, at) => ({
      who: `scraper of a bare server, ${at}`,
      credentials: () => ({}),
      expected: new Expected(200),
      isFresh: at === 0,
    })),
  });
  return {
    scrapers: running,
    async stop() {
      await running.stop();
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}
