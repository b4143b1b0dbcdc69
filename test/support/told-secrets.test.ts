import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { expect, it } from 'vitest';
import { temporaryDirectory } from './temporary-directory.js';
import { takeOutputsWithSecrets } from './told-secrets.js';
import { listenHttp } from './listening.js';

const tell = async (text: string, descriptor: 1 | 2): Promise<void> => {
  const script = 'fs.writeSync(Number(process.argv[2]), process.argv[1])';
  await once(spawn(process.execPath, ['-e', script, text, String(descriptor)]), 'close');
};

/** Requests it with `http` or, where `withFetch`, with undici. */
async function send(authorization: string, withFetch = false): Promise<void> {
  const url = `http://127.0.0.1:${(await listenHttp((_, response) => response.end())).port}`;
  if (withFetch) await fetch(url, { headers: { authorization } });
  else await once(get(url, { agent: false, headers: { authorization } }), 'response');
}

it.each([
  ['sent', false],
  ['sent with fetch', true],
])('a process that writes a token that was %s is found', async (how, withFetch) => {
  const token = `a-token-${how.replaceAll(' ', '-')}-0123456789`;
  await send(`Bearer ${token}`, withFetch);
  await tell(`refused ${token.slice(0, 10)}…`, 2);
  expect(takeOutputsWithSecrets()).toEqual([]);
  await tell(`refused ${token} of somebody`, 2);
  await tell('all is well', 1);
  const [found = '', ...others] = takeOutputsWithSecrets();
  expect(found).toContain(`refused ${token} of somebody`);
  expect(others).toEqual([]);
});

it('a process that writes a key of a file is found', async () => {
  const directory = temporaryDirectory();
  const line = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgtoldsecretskey00';
  directory.write('tls.key', `-----BEGIN PRIVATE KEY-----\n${line}\n-----END PRIVATE KEY-----\n`);
  await tell(`cannot read ${line}`, 1);
  expect(takeOutputsWithSecrets()).toHaveLength(1);
});
