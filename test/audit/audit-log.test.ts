import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuditLog } from '../../src/server-exports.js';
import { type AuditEvent } from '../../src/index.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';
import { rotatedName } from '../../src/audit/log-file.js';

let directory: TemporaryDirectory;
let warnings: unknown[];
beforeEach(() => {
  directory = temporaryDirectory();
  warnings = [];
  vi.spyOn(process, 'emitWarning').mockImplementation((warning) => {
    warnings.push(warning);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const event: AuditEvent = {
  auditId: 'id',
  received: new Date(0),
  completed: new Date(0),
  verb: 'get',
  path: '/metrics',
  requestUri: '/metrics',
  sourceIps: [],
  code: 200,
  isClosedEarly: false,
  annotations: {},
};

it('an audit log keeps as many rotated files, and for as long, as kube-apiserver, where nothing else is said', async () => {
  const day = 24 * 3_600_000;
  const add = (days: number): string => {
    const file = rotatedName(join(directory.path, 'audit.log'), Date.now() - days * day);
    writeFileSync(file, '');
    return file;
  };
  const old = add(367);
  const young = [...Array(99).keys()].map((minute) => add(360 + minute / 1440));
  const log = new AuditLog({ path: join(directory.path, 'audit.log') });
  await vi.waitUntil(() => !existsSync(old), { timeout: 10_000 });
  expect(young.every((file) => existsSync(file))).toBe(true);
  await log.close();
  const beyond = [add(361.5), add(361.6)];
  const again = new AuditLog({ path: join(directory.path, 'audit.log') });
  await vi.waitUntil(() => !existsSync(beyond[1] ?? ''), { timeout: 10_000 });
  expect([...young, ...beyond.slice(0, 1)].every((file) => existsSync(file))).toBe(true);
  await again.close();
});

const fail = (): never => {
  throw new RangeError('secret');
};
const failing = { onEvent: fail, onLost: fail, onOutage: fail, onRecovery: fail };

describe.each(['batch', 'blocking'] as const)('an audit log in %s mode whose observer throws', (mode) => {
  it('writes every event, and warns without the words of the error', async () => {
    const path = join(directory.path, 'audit.log');
    const log = new AuditLog({ path, mode, observer: failing });
    log.write(event);
    await log.close();
    expect(readFileSync(path, 'utf8')).toContain('"auditID":"id"');
    expect(warnings).toEqual(['a listener of AuditLog failed with RangeError']);
  });

  it('goes on where the disk is full, and closes', async () => {
    const log = new AuditLog({ path: '/dev/full', mode, bufferSize: 1, observer: failing });
    log.write(event);
    log.write(event);
    await log.close();
    // Two events come, both get lost, in one outage.
    expect(warnings).toHaveLength(5);
  });
});
