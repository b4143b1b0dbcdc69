import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Outcome, Scraper, Target } from './scraper.js';

const inMatrix = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const telegraf = libraryScraper([inMatrix('.bin-telegraf/telegraf')]);
export const expfmt = libraryScraper([inMatrix('.bin-expfmt/expfmt')]);
export const prometheusClient = libraryScraper([
  inMatrix('.bin-prometheus-client/bin/python'),
  inMatrix('prometheus-client/scrape.py'),
]);

/** A program that scrapes once for each line of its input. */
function libraryScraper([program = '', ...args]: readonly string[]): Scraper {
  return {
    missing: existsSync(program) ? undefined : `${program} is not built`,
    scrape: async (targets) => {
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
      await once(child, 'spawn');
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      let said = '';
      child.stderr.on('data', (data: Buffer) => (said += data.toString()));
      return {
        async next(side): Promise<Outcome> {
          child.stdin.write(`${JSON.stringify(scrapeOf(targets[side]))}\n`);
          const answer = await lines.next();
          if (answer.done === true) throw new Error(`${program} has ended: ${said}`);
          const { series, error = '' } = JSON.parse(answer.value) as Partial<Outcome>;
          return { series: [...(series ?? [])].sort(), error };
        },
        stop: () => ended(child),
      };
    },
  };
}

function scrapeOf({ scheme, port, path, asked, ...credentials }: Target): object {
  return { url: `${scheme}://localhost:${port}${path}`, accept: asked?.accept, ...credentials };
}

async function ended(child: ChildProcessWithoutNullStreams): Promise<void> {
  const exited = once(child, 'exit');
  child.stdin.end();
  await exited;
}
