import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuditLog, type AuditEvent } from '../../src/index.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

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
  directory.remove();
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
    expect(warnings).toEqual(['audit log: an observer failed: RangeError']);
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
