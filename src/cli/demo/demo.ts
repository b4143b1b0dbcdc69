import { once } from 'node:events';
import { topic } from '../../options/option.js';
import { boolean } from '../../options/option-kinds.js';
import type { Command, CommandCall, Terminal } from '../command.js';
import { createCredentials, createDemoFolder, type DemoFolder } from './demo-credentials.js';
import { instructions, prometheusConfig } from './instructions.js';
import {
  AuditTrail,
  isAsExpected,
  play,
  renderGroup,
  renderHeader,
  widthsOf,
  type Outcome,
  type Stage,
  describeCases,
} from './outcome.js';
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
  void stopRequested().then(() => {
    stop.abort();
  });
  const folder = createDemoFolder();
  try {
    return await show(folder, check, print, stop.signal);
  } finally {
    folder.remove();
  }
}

async function show(
  folder: DemoFolder,
  check: boolean,
  print: Terminal['print'],
  stop: AbortSignal,
): Promise<number> {
  const credentials = await createCredentials(folder);
  const trail = new AuditTrail();
  const servers = await startServers(credentials, folder, trail.add);
  try {
    for (const role of Object.keys(serverNames) as ServerRole[]) {
      print(`${serverNames[role].padEnd(12)}  ${servers.urls[role]}`);
    }
    const outcomes = await playAll({ servers, credentials, trail }, print, stop);
    // An incomplete table proves nothing.
    if (stop.aborted) return check ? 1 : 0;
    const differing = outcomes.filter((outcome) => !isAsExpected(outcome)).length;
    print('');
    print(
      differing === 0
        ? `All ${outcomes.length} requests were answered as expected.`
        : `${differing} of ${outcomes.length} requests were not answered as expected: see ✗.`,
    );
    if (check) return differing === 0 ? 0 : 1;

    const prometheusFile = folder.write('prometheus.yml', prometheusConfig(servers));
    instructions(servers, folder.path, prometheusFile).forEach(print);
    await once(stop, 'abort');
    return 0;
  } finally {
    await servers.close();
  }
}

/** Sends the requests one by one and prints each group when it is complete. */
async function playAll(
  stage: Stage,
  print: Terminal['print'],
  stop: AbortSignal,
): Promise<readonly Outcome[]> {
  const groups = describeCases(stage.credentials);
  const widths = widthsOf(groups);
  renderHeader(widths).forEach(print);
  const all: Outcome[] = [];
  for (const { title, cases } of groups) {
    const outcomes: Outcome[] = [];
    for (const each of cases) {
      if (stop.aborted) return all;
      outcomes.push(await play(each, stage));
    }
    renderGroup(title, outcomes, widths).forEach(print);
    all.push(...outcomes);
  }
  return all;
}
