import { beforeAll, describe, expect, it } from 'vitest';
import { createRecordedPki, type RecordedPki } from '../support/recorded-pki.js';
import { keyPairOf, requestOnce } from '../support/raw-tls.js';
import { runCli, startCli } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { recorded } from './recorded.js';

interface Row {
  readonly flag: string;
  readonly startupError: boolean;
  readonly requests?: readonly {
    readonly identity: string;
    readonly target: string;
    readonly status: number;
  }[];
}

const rows = recorded('cache-server-always-allow.json') as readonly Row[];

describe('a cache server with --authorization-always-allow-paths', () => {
  const directory = temporaryDirectory();
  let pki: RecordedPki;
  beforeAll(async () => {
    pki = await createRecordedPki(directory);
  });
  const flagsOf = (flag: string): string[] => [
    '--mode=cache-server',
    ...pki.serving,
    `--client-ca-file=${pki.clientCaFile}`,
    `--authorization-always-allow-paths=${flag}`,
  ];

  it.each(rows.filter(({ startupError }) => startupError))(
    'refuses to start with $flag',
    async ({ flag }) => {
      const { code, stderr } = await runCli([
        'start',
        '--bind-address=127.0.0.1',
        '--secure-port=0',
        ...flagsOf(flag),
      ]);
      expect(code).toBe(2);
      expect(stderr).toBe(
        `--authorization-always-allow-paths: only trailing * allowed in ${JSON.stringify(flag)}\n`,
      );
    },
  );

  it.each(rows.filter(({ startupError }) => !startupError))(
    'answers as recorded with "$flag"',
    async ({ flag, requests = [] }) => {
      expect(requests.length).toBeGreaterThan(0);
      const server = await startCli(flagsOf(flag));
      const faults: unknown[] = [];
      for (const { identity, target, status } of requests) {
        const pair = identity === 'anonymous' ? undefined : pki.certificates[identity];
        const answer = await requestOnce({ port: server.port, ...keyPairOf(pair) }, target);
        if (answer.status !== status) faults.push({ identity, target, status, got: answer.status });
      }
      expect(await server.stop()).toBe(0);
      expect(faults).toEqual([]);
    },
  );
});
