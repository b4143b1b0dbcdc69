import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { flagName, optionsIn } from '../src/options/option.js';
import { startTopics } from '../src/options/start-topics.js';

const src = fileURLToPath(new URL('../src/', import.meta.url));

/** What the package exports. */
const entries = ['index.ts', 'server-exports.ts'];

/** What every room may use, and what uses nothing but its own kind. */
const ground = [
  'coded-error.ts',
  'documents',
  'error-class.ts',
  'files',
  'option-checks.ts',
  'name-table.ts',
  'own-package.ts',
  'paths',
  'pki',
  'present-only.ts',
  'tell.ts',
  'time-slice.ts',
  'timer.ts',
];

/** Which rooms a room may import from, besides itself and the ground. ARCHITECTURE.md draws the same arrows. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  outgoing: [],
  kubernetes: ['outgoing'],
  policy: ['kubernetes'],
  authentication: ['kubernetes', 'outgoing'],
  authorization: ['authentication', 'kubernetes', 'policy'],
  replication: ['authorization', 'kubernetes', 'outgoing', 'policy'],
  audit: ['authentication'],
  exposition: ['kubernetes', 'outgoing'],
  telemetry: ['exposition', 'kubernetes', 'policy'],
  // A gateway passes requests on, and answers of other servers.
  request: ['audit', 'authentication', 'authorization', 'exposition', 'outgoing', 'telemetry'],
  server: ['audit', 'authentication', 'kubernetes', 'policy', 'request', 'telemetry'],
  options: [
    'audit',
    'authentication',
    'authorization',
    'exposition',
    'kubernetes',
    'outgoing',
    'policy',
    'request',
    'server',
    'telemetry',
  ],
  cli: [
    'audit',
    'authentication',
    'authorization',
    'exposition',
    'kubernetes',
    'options',
    'outgoing',
    'policy',
    'replication',
    'request',
    'server',
    'telemetry',
  ],
};

interface Import {
  readonly from: string;
  readonly to: string;
  /** Evaluated with the file: neither a type nor `import()`. */
  readonly isStatic: boolean;
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const imports: readonly Import[] = files.flatMap((file) =>
  importsIn(readFileSync(join(src, file), 'utf8')).map(({ specifier, isStatic }) => ({
    from: file,
    to: specifier.startsWith('.')
      ? relative(src, resolve(src, dirname(file), specifier)).replace(/\.js$/, '.ts')
      : specifier,
    isStatic,
  })),
);
const roomOf = (file: string): string => file.split('/')[0] ?? file;
const isInside = ({ to }: Import): boolean => files.includes(to);

function importsIn(text: string): readonly { readonly specifier: string; readonly isStatic: boolean }[] {
  const statements =
    /^(import|export)\b(?!\()(\s+type\b)?[^;]*?\bfrom\s+'([^']+)';|^import\s+'([^']+)';|\bimport\(\s*'([^']+)'/gm;
  return [...text.matchAll(statements)].map(([, , type, from, bare, dynamic]) => ({
    specifier: from ?? bare ?? dynamic ?? '',
    isStatic: dynamic === undefined && type === undefined,
  }));
}

describe('the arrows between rooms', () => {
  it('are all seen: every room imports or is imported', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(imports.filter(isInside).length).toBeGreaterThan(80);
    const rooms = new Set(files.map(roomOf));
    expect([...rooms].sort()).toEqual([...Object.keys(arrows), ...ground, ...entries].sort());
  });

  it('are all used', () => {
    const used = new Set(imports.filter(isInside).map(({ from, to }) => `${roomOf(from)} → ${roomOf(to)}`));
    const drawn = Object.entries(arrows).flatMap(([room, targets]) => targets.map((to) => `${room} → ${to}`));
    expect(drawn.filter((arrow) => !used.has(arrow))).toEqual([]);
  });

  it('point only where they may', () => {
    const wrong = imports.filter(isInside).filter(({ from, to }) => {
      const [room, target] = [roomOf(from), roomOf(to)];
      return (
        !entries.includes(room) &&
        room !== target &&
        !ground.includes(target) &&
        !arrows[room]?.includes(target)
      );
    });
    expect(wrong).toEqual([]);
  });

  it('leave express to those who mount the filter', () => {
    const users = imports
      .filter(({ to }) => to === 'express' || to.startsWith('express/'))
      .map(({ from }) => roomOf(from));
    expect(users).toEqual([]);
  });

  it('leave requests and responses to request, what stands above it, and what measures them', () => {
    const users = imports.filter(({ to }) => /^(?:node:)?https?$/.test(to)).map(({ from }) => roomOf(from));
    expect(
      users.filter(
        (room) => !['request', 'telemetry', 'server', 'cli', 'kubernetes', 'outgoing'].includes(room),
      ),
    ).toEqual([]);
  });

  it('leave kubeconfigs to kubernetes', () => {
    const users = imports
      .filter(({ to }) => to === '@kubernetes/client-node')
      .map(({ from }) => roomOf(from));
    expect(new Set(users)).toEqual(new Set(['kubernetes']));
  });

  it('leave prom-client to exposition, telemetry, options and the command line', () => {
    const users = imports.filter(({ to }) => to === 'prom-client').map(({ from }) => roomOf(from));
    expect(users.filter((room) => !['exposition', 'telemetry', 'options', 'cli'].includes(room))).toEqual([]);
  });

  it('never run in a circle between files', () => {
    const targets = new Map<string, string[]>();
    for (const { from, to } of imports.filter(isInside))
      targets.set(from, [...(targets.get(from) ?? []), to]);
    const finished = new Set<string>();
    const circles: string[][] = [];
    const visit = (file: string, way: readonly string[]): void => {
      if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file]);
      if (finished.has(file) || way.includes(file)) return;
      for (const next of targets.get(file) ?? []) visit(next, [...way, file]);
      finished.add(file);
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });

  it('never reach micromatch where RBAC or always-allow paths are decided', () => {
    const users = imports.filter(({ to }) => to === 'micromatch').map(({ from }) => roomOf(from));
    expect(users.filter((room) => ['policy', 'authorization', 'paths'].includes(room))).toEqual([]);
  });
});

describe('one place for one thing', () => {
  const sources = files.map((file) => ({ file, text: readFileSync(join(src, file), 'utf8') }));
  const filesWith = (pattern: RegExp): readonly string[] =>
    sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file);

  it.each([
    ['warnings of listeners that throw', /emitWarning/, ['tell.ts']],
    ['the largest delay of a timer', /2_?147_?483_?647/, ['timer.ts']],
    ['blocks of PEM', /-----BEGIN/, ['files/pem.ts']],
    ['"undefined unless given"', /=== undefined \? \{\}/, []],
  ])('%s', (_, pattern, home) => {
    expect(filesWith(pattern)).toEqual(home);
  });

  it('YAML is read in documents alone', () => {
    const users = imports.filter(({ to }) => to === 'yaml').map(({ from }) => roomOf(from));
    expect(new Set(users)).toEqual(new Set(['documents']));
  });

  it('steps are chained in request/guard.ts', () => {
    expect(filesWith(/\bsequence\(\[|\bchain\(\[/)).toEqual(['request/guard.ts']);
  });

  it("an option's flag stands once: in its topic, as its key", () => {
    const flags = new Set<string>(optionsIn(startTopics).map(({ key }) => flagName(key)));
    const sites = sources.flatMap(({ file, text }) =>
      [...text.matchAll(/(?<![\w-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?![\w.-])/g)].map(([name]) => ({
        file,
        name,
      })),
    );
    expect(flags.size).toBeGreaterThan(80);
    expect(sites.filter(({ name }) => flags.has(name))).toEqual([]);
  });
});

describe('files', () => {
  /** Short files with one importer beside them, each for a reason. */
  const shortOnPurpose: Readonly<Record<string, string>> = {
    'cli/completion/fish.ts': 'a file a shell',
    'cli/completion/zsh.ts': 'a file a shell',
    'cli/start-command.ts': 'the options of start, without its server',
  };

  it('have names of their own', () => {
    const names = files.map((file) => file.split('/').at(-1) ?? file);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  it('of fewer than 70 lines are used by more than the file beside them', () => {
    const short = files.filter((file) => {
      const lines = readFileSync(join(src, file), 'utf8').split('\n').length - 1;
      const importers = imports.filter(({ from, to }) => to === file && !entries.includes(from));
      const [first] = importers;
      return (
        lines < 70 &&
        importers.length === 1 &&
        first !== undefined &&
        dirname(first.from) === dirname(file) &&
        shortOnPurpose[file] === undefined
      );
    });
    expect(short).toEqual([]);
  });

  it('are loaded when they are needed: no command, and no library that few requests need, at once', () => {
    const heavy = [
      '@kubernetes/client-node',
      '@peculiar/x509',
      'micromatch',
      'express',
      'pino',
      'yaml',
      'jose',
    ];
    const reached = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const { from, to, isStatic } of imports) if (from === file && isStatic) visit(to);
    };
    visit('cli/main.ts');
    expect([...reached].filter((name) => heavy.includes(name))).toEqual([]);
    const importedAtOnce = imports.filter(({ isStatic }) => isStatic);
    expect(
      importedAtOnce.filter(({ to }) => to === '@kubernetes/client-node' || to === '@peculiar/x509'),
    ).toEqual([]);
  });
});

describe('tests', () => {
  /** Each for what only a process has, or a program that is not ours; everything else runs in the test's own. */
  const startProcesses: Readonly<Record<string, readonly string[]>> = {
    'signals, exit codes, standard streams, memory of a process': [
      'cli/audit-log.test.ts',
      'cli/bad-input.test.ts',
      'cli/can-i.test.ts',
      'cli/demo.test.ts',
      'options/config-flag.test.ts',
      'options/shutdown.test.ts',
      'server/hostile.test.ts',
      'server/start.test.ts',
      'support/started-server.ts',
      'support/told-secrets.test.ts',
      'support/told-secrets.ts',
    ],
    'several processes': [
      'cli/workers.test.ts',
      'exposition/workers/real-workers.test.ts',
      'options/limits.test.ts',
      'support/recorded-servers.ts',
    ],
    'files that other processes write, pipes, the environment of a process': [
      'audit/line-writers.test.ts',
      'files/files-read.test.ts',
      'files/followed-files.test.ts',
      'outgoing/trust-anchors.test.ts',
      'policy/snapshot/snapshot-file.test.ts',
      'policy/snapshot/snapshot-place.test.ts',
    ],
    'the package as it is installed, and what a process has loaded': [
      'packaging/loaded-modules.test.ts',
      'packaging/packed.test.ts',
    ],
    'shells, browsers, Prometheus and its tools, and the commands of READMEs': [
      'cli/completion/completion.test.ts',
      'cli/doctor.test.ts',
      'documentation/snippets.test.ts',
      'examples/alerts.test.ts',
      'examples/cache-server.test.ts',
      'examples/commands.ts',
      'examples/prometheus-programs.ts',
      'examples/prometheus.test.ts',
      'examples/pushprox.test.ts',
      'examples/service-discovery.test.ts',
      'examples/systemd.test.ts',
      'examples/tenant-gateway.test.ts',
      'exposition/merging/merged-exposition.test.ts',
      'exposition/relabelling/filtered-exposition.test.ts',
      'exposition/sources/registries/promtool.test.ts',
      'server/z-pages/browser.test.ts',
      'telemetry/api-server/dashboards.test.ts',
    ],
  };

  it('start processes only where they are listed', () => {
    const test = fileURLToPath(new URL('.', import.meta.url));
    const starting = readdirSync(test, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !/^(?:e2e|matrix|soak|bench)\//.test(file))
      .filter((file) => file !== 'architecture.test.ts')
      .filter((file) =>
        /node:child_process|runProcess|startProcess|\bfork\(/.test(readFileSync(join(test, file), 'utf8')),
      );
    expect(starting.sort()).toEqual(Object.values(startProcesses).flat().sort());
  });
});

describe('names', () => {
  it('say what is inside', () => {
    const vague = files.filter((file) =>
      /(?:^|\/)(?:utils?|helpers?|common|misc|manager)s?(?:\.ts|\/)/.test(file),
    );
    expect(vague).toEqual([]);
  });
});
