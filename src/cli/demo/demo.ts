import { once } from 'node:events';
import { topic } from '../../options/option.js';
import { boolean } from '../../options/option-kinds.js';
import { Opened } from '../../options/starting.js';
import type { Command, CommandCall } from '../command.js';
import { createCredentials, createDemoFolder } from './demo-credentials.js';
import { instructions, prometheusConfig } from './instructions.js';
import { AuditTrail, describeCases, play, renderingOf, type Outcome } from './outcome.js';
import { serverNames, startServers, type ServerRole } from './servers.js';

const ending = topic('Options', {
  check: boolean(false).help('exit after the table, with code 0 if every answer is as expected, else 1'),
});

export const demoCommand: Command = { topics: [ending], run: demo };

/** Demonstrates two shards and a cache server with throwaway keys. Resolves to the exit code. */
async function demo({ values, terminal: { print, stopRequested } }: CommandCall): Promise<number> {
  const { check } = ending.read(values);
  // Registered before the folder exists, so that Ctrl-C always removes it.
  const stop = new AbortController();
  void stopRequested().then(stop.abort.bind(stop));
  const opened = new Opened();
  try {
    const folder = opened.add(createDemoFolder());
    const credentials = await createCredentials(folder);
    const trail = new AuditTrail();
    const urls = await startServers(credentials, folder, opened, trail.add);
    for (const role of Object.keys(serverNames) as ServerRole[]) {
      print(`${serverNames[role].padEnd(12)}  ${urls[role]}`);
    }

    // The requests are sent one by one, and each group is printed when it is complete.
    const groups = describeCases(credentials);
    const { header, linesOf } = renderingOf(Object.values(groups).flat());
    header.forEach(print);
    const all: Outcome[] = [];
    for (const [title, cases] of Object.entries(groups)) {
      const outcomes: Outcome[] = [];
      for (const each of cases) {
        if (!stop.signal.aborted) outcomes.push(await play(each, { urls, credentials, trail }));
      }
      // An incomplete table proves nothing.
      if (stop.signal.aborted) return check ? 1 : 0;
      ['', title, ...outcomes.flatMap(linesOf)].forEach(print);
      all.push(...outcomes);
    }
    const differing = all.filter(({ isExpected }) => !isExpected).length;
    print('');
    print(
      differing === 0
        ? `All ${all.length} requests were answered as expected.`
        : `${differing} of ${all.length} requests were not answered as expected: see ✗.`,
    );
    if (check) return differing === 0 ? 0 : 1;

    const prometheusFile = folder.write('prometheus.yml', prometheusConfig(urls));
    instructions(urls, folder.path, prometheusFile).forEach(print);
    await once(stop.signal, 'abort');
    return 0;
  } finally {
    await opened.close();
  }
}
