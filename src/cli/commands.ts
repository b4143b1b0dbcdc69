import { canI, canIFlags, extraFlag, filenameFlag } from './can-i.js';
import type { CommandDescription } from './command.js';
import { completionCommand } from './completion/completion-command.js';
import { schemaCommand } from '../options/configuration/schema-command.js';
import { checkFlag, demo } from './demo.js';
import { doctor, doctorFlags, reportMisconfiguration } from './doctor.js';
import { parseBoolean } from '../options/flag-values.js';
import { booleanOf, listOf, valueOf } from '../options/flags.js';
import { manifestsCommand } from './manifests/manifests-command.js';
import { replicate, replicateFlags } from './replicate.js';
import { start, startFlags } from './start.js';
import { whoCan, whoCanFlags } from './who-can.js';
import { serveWithWorkers } from './workers/primary-process.js';
import { isWorkerProcess, serveAsWorker } from './workers/worker-process.js';
import { workersOf } from '../options/serving/workers-flags.js';

const startCommand: CommandDescription = {
  name: 'start',
  description: 'serve /metrics and health over TLS',
  flags: startFlags,
  run: async ({ values, terminal }) => {
    if (isWorkerProcess()) return serveAsWorker(terminal);
    const workers = workersOf(values);
    if (workers > 1) return serveWithWorkers(values, workers, terminal);
    // Listened for before the port is: whoever sees it may send the signal.
    const stop = terminal.stopRequested();
    const server = await start(values);
    await stop;
    await server.close();
    return 0;
  },
};

const doctorCommand: CommandDescription = {
  name: 'doctor',
  description: 'check what start would need, without listening; exit code 1 with warnings, 2 with errors',
  flags: doctorFlags,
  run: ({ values, terminal, inOwnWords }) => doctor(values, terminal, inOwnWords),
  runMisconfigured: (fault, { values, terminal }) =>
    Promise.resolve(reportMisconfiguration(fault, values, terminal)),
};

const demoCommand: CommandDescription = {
  name: 'demo',
  description: 'start two shards and a cache server with throwaway keys and show who may scrape what',
  flags: [checkFlag],
  run: ({ values, terminal: { print, stopRequested } }) =>
    demo({ check: parseBoolean(checkFlag.name, booleanOf(values, checkFlag)), print, stopRequested }),
};

const verb = { name: 'verb', description: 'such as get' };
const path = { name: 'path', description: 'such as /metrics' };

const canICommand: CommandDescription = {
  name: 'can-i',
  description: 'say whether a user may, from the policy alone; exit code 0 for yes, 1 for no',
  args: [
    { ...verb, isOptional: true },
    { ...path, isOptional: true },
  ],
  flags: canIFlags,
  run: ({ args: [askedVerb, askedPath], values, terminal }) => {
    const filename = valueOf(values, filenameFlag);
    const asked = {
      ...(askedVerb === undefined ? {} : { verb: askedVerb }),
      ...(askedPath === undefined ? {} : { path: askedPath }),
      ...(filename === undefined ? {} : { filename }),
      extras: listOf(values, extraFlag),
    };
    return canI(asked, values, terminal);
  },
};

const whoCanCommand: CommandDescription = {
  name: 'who-can',
  description: 'list everybody who is granted a verb on a path',
  args: [verb, path],
  flags: whoCanFlags,
  run: ({ args: [askedVerb = '', askedPath = ''], values, terminal }) =>
    whoCan({ verb: askedVerb, path: askedPath }, values, terminal),
};

const replicateCommand: CommandDescription = {
  name: 'replicate',
  description:
    "annotate root's bindings that let somebody read metrics and do nothing else, so that kcp copies them to every shard",
  flags: replicateFlags,
  run: ({ values, terminal }) => replicate(values, terminal),
};

/** In the order of `--help`. */
export const commands: readonly CommandDescription[] = [
  startCommand,
  doctorCommand,
  demoCommand,
  canICommand,
  whoCanCommand,
  replicateCommand,
  manifestsCommand,
  schemaCommand,
  completionCommand(() => commands),
];
