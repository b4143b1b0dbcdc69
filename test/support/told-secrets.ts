import type { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { Secrets } from './secrets.js';
import { onFileWritten } from './temporary-directory.js';

/** Whatever is secret in the requests and the files of the tests. */
const secrets = new Secrets();
const outputs: Output[] = [];

interface Output {
  readonly command: string;
  readonly chunks: Buffer[];
}

subscribe('http.client.request.start', (message) => {
  const { request } = message as { readonly request: ClientRequest };
  for (const name of ['authorization', 'cookie']) addCredential(request.getHeader(name));
});

subscribe('undici:request:create', (message) => {
  const { headers } = (message as { readonly request: { readonly headers: readonly string[] } }).request;
  for (const [at, name] of headers.entries())
    if (/^authorization$/i.test(name)) addCredential(headers[at + 1]);
});

subscribe('child_process', (message) => {
  const child = (message as { readonly process: ChildProcess }).process;
  child.once('spawn', () => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) keepOutput(child.spawnargs.join(' '), stream);
    }
  });
});

onFileWritten((text) => {
  for (const key of text.match(/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+/g) ?? []) secrets.addKey(key);
  // No look-behind with a star: it is tried anew at each character of a long run of blanks.
  const fields = /\b(?:token|password|client-key-data)["']?:\s*["']?([\w.+/=-]{16,})/g;
  for (const [, value = ''] of text.matchAll(fields)) secrets.add(value);
});

/** What each process has written, its command first, where any secret stands in it that was used so far; and forgets it. */
export function takeOutputsWithSecrets(): readonly string[] {
  return outputs
    .splice(0)
    .map(({ command, chunks }) => ({ command, written: Buffer.concat(chunks) }))
    .filter(({ written }) => secrets.foundIn(written).length > 0)
    .map(({ command, written }) => `${command}\n${written.toString()}`);
}

/** What stands behind the scheme, where it is long enough to be told from chance. */
function addCredential(header: unknown): void {
  const credential = typeof header === 'string' ? header.replace(/^\w+ +/, '') : '';
  if (credential.length >= 16) secrets.add(credential);
}

/** As it comes, whoever reads it. */
function keepOutput(command: string, stream: Readable): void {
  const chunks: Buffer[] = [];
  outputs.push({ command, chunks });
  const push = stream.push.bind(stream);
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
    return push(chunk, encoding);
  };
}
