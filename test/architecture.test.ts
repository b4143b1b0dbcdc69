import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const src = fileURLToPath(new URL('../src/', import.meta.url));

/** Which rooms a room may import from, besides itself. ARCHITECTURE.md draws the same arrows. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  'package-version.ts': [],
  'time-slice.ts': [],
  files: [],
  paths: [],
  pki: [],
  documents: ['policy'],
  outgoing: ['kubernetes', 'package-version.ts'],
  kubernetes: ['files', 'outgoing', 'time-slice.ts'],
  policy: ['documents', 'kubernetes', 'time-slice.ts'],
  authentication: ['kubernetes', 'outgoing'],
  authorization: ['authentication', 'kubernetes', 'outgoing', 'paths', 'policy'],
  replication: ['authorization', 'kubernetes', 'outgoing', 'policy'],
  audit: ['authentication', 'paths'],
  exposition: ['documents', 'files', 'outgoing', 'time-slice.ts'],
  telemetry: ['exposition', 'paths', 'policy'],
  request: ['audit', 'authentication', 'authorization', 'exposition', 'paths', 'telemetry'],
  server: ['authentication', 'package-version.ts', 'paths', 'policy', 'request'],
  options: [
    'audit',
    'authentication',
    'authorization',
    'cli',
    'documents',
    'exposition',
    'files',
    'kubernetes',
    'outgoing',
    'paths',
    'pki',
    'policy',
    'request',
    'server',
    'telemetry',
  ],
  cli: [
    'authentication',
    'authorization',
    'exposition',
    'files',
    'kubernetes',
    'options',
    'outgoing',
    'package-version.ts',
    'paths',
    'pki',
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
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const imports: readonly Import[] = files.flatMap((file) =>
  specifiersIn(readFileSync(join(src, file), 'utf8')).map((specifier) => ({
    from: file,
    to: specifier.startsWith('.')
      ? relative(src, resolve(src, dirname(file), specifier)).replace(/\.js$/, '.ts')
      : specifier,
  })),
);
const roomOf = (file: string): string => file.split('/')[0] ?? file;
const isInside = ({ to }: Import): boolean => files.includes(to);

function specifiersIn(text: string): readonly string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(([, specifier = '']) => specifier);
}

describe('the arrows between rooms', () => {
  it('are all seen: every room imports or is imported', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(imports.filter(isInside).length).toBeGreaterThan(80);
    const rooms = new Set(files.map(roomOf));
    expect([...rooms].sort()).toEqual([...Object.keys(arrows), 'index.ts'].sort());
  });

  it('are all used', () => {
    const used = new Set(imports.filter(isInside).map(({ from, to }) => `${roomOf(from)} → ${roomOf(to)}`));
    const drawn = Object.entries(arrows).flatMap(([room, targets]) => targets.map((to) => `${room} → ${to}`));
    expect(drawn.filter((arrow) => !used.has(arrow))).toEqual([]);
  });

  it('point only where they may', () => {
    const wrong = imports.filter(isInside).filter(({ from, to }) => {
      const [room, target] = [roomOf(from), roomOf(to)];
      return room !== 'index.ts' && room !== target && !arrows[room]?.includes(target);
    });
    expect(wrong).toEqual([]);
  });

  it('leave express to the server', () => {
    const users = imports
      .filter(({ to }) => to === 'express' || to.startsWith('express/'))
      .map(({ from }) => roomOf(from));
    expect(new Set(users)).toEqual(new Set(['server']));
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

describe('names', () => {
  it('say what is inside', () => {
    const vague = files.filter((file) =>
      /(?:^|\/)(?:utils?|helpers?|common|misc|manager)s?(?:\.ts|\/)/.test(file),
    );
    expect(vague).toEqual([]);
  });
});
