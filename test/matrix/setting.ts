import { renameSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Exposition } from '../../src/exposition/exposition.js';
import { metricsFilter } from '../../src/request/guard.js';
import { listen } from '../support/listening.js';
import { localAuthority } from '../support/local-authority.js';
import { filterOptions } from '../support/filter.js';
import { startCli } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** The first as in test/support/filter.ts. */
const tokens = {
  scraper: 'scraper-token',
  next: 'next-scraper-token',
  stranger: 'stranger-token',
  unknown: 'unknown-token',
} as const;
export type Token = keyof typeof tokens;

const grants = `kind: ClusterRole
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: scraper}
rules: [{verbs: [get], nonResourceURLs: [/metrics]}]
---
kind: ClusterRoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: scraper}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: scraper}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: scraper}]
`;

/** What the filters and scrapers of one test share. */
export type Place = Awaited<ReturnType<typeof placeOfTest>>;

/** Files, gone when the test is over. */
export async function placeOfTest() {
  const directory = temporaryDirectory();
  const usage = 'clientAuth';
  const { authority, serving } = await localAuthority();
  const client = await authority.issue({ commonName: 'scraper', usage });
  const known = (...names: readonly Token[]): string =>
    [...names.map((name) => `${tokens[name]},scraper,${name}`), `${tokens.stranger},stranger,3\n`].join('\n');
  /** In one step, as a kubelet does it. */
  const replace = (name: string, content: string): string => {
    const file = join(directory.path, name);
    writeFileSync(`${file}.new`, content);
    renameSync(`${file}.new`, file);
    return file;
  };
  const rbac = temporaryDirectory();
  rbac.write('grants.yaml', grants);
  return {
    serving,
    caFile: directory.write('ca.crt', authority.certificatePem),
    ca: authority.certificatePem,
    certificateFile: directory.write('client.crt', client.certificatePem),
    keyFile: directory.write('client.key', client.privateKeyPem),
    tokenFile: (token: Token, end = '') => replace('token', tokens[token] + end),
    authorizationOf: (token: Token) => `Bearer ${tokens[token]}`,
    accept: (...names: readonly Token[]) => replace('tokens.csv', known(...names)),
    maintenanceFile: directory.write('maintenance', ''),
    flags: [
      `--tls-cert-file=${directory.write('serving.crt', serving.certificatePem)}`,
      `--tls-private-key-file=${directory.write('serving.key', serving.privateKeyPem)}`,
      `--client-ca-file=${directory.write('client-ca.crt', authority.certificatePem)}`,
      `--token-auth-file=${replace('tokens.csv', known('scraper'))}`,
      `--rbac-dir=${rbac.path}`,
    ],
  };
}

/** A plain server that guards nothing; resolves to its port. */
export async function unguarded(answer: RequestListener): Promise<number> {
  const listening = await listen(createHttpServer(answer));
  onTestFinished(() => listening.close());
  return listening.port;
}

/** The program; resolves to its port. */
export async function guardedBy(place: Place, flags: readonly string[]): Promise<number> {
  const server = await startCli([...place.flags, ...flags]);
  onTestFinished(async () => {
    await server.stop();
  });
  return server.port;
}

/** The library in an application of its own, which knows the scraper by its token. */
export async function guardedInApplication(place: Place, exposition: Exposition): Promise<number> {
  const { certificatePem: cert, privateKeyPem: key } = place.serving;
  const filter = metricsFilter(filterOptions({ exposition }));
  const listening = await listen(
    createServer({ cert, key }, (incoming, response) => {
      filter(incoming, response, () => response.writeHead(404).end());
    }),
  );
  onTestFinished(() => listening.close());
  return listening.port;
}
