import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ConnectionOptions } from 'node:tls';
import { keyPairOf, requestOnce, type RawHeaders } from '../support/raw-tls.js';
import { isSkipped } from './binaries.js';
import { startControlPlane, type ControlPlane } from './control-plane.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver, type ApiServerProgram } from './kube-apiserver.js';
import { grantPolicyReader } from './policy-reader.js';

const policy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{ level: Metadata }]
`;

const logIn = (directory: string): string => join(directory, 'audit.log');

const auditingApiserver: ApiServerProgram = {
  ...kubeApiserver,
  args: (place) => {
    const file = join(place.directory, 'audit-policy.yaml');
    writeFileSync(file, policy);
    return [
      ...kubeApiserver.args(place),
      `--audit-policy-file=${file}`,
      `--audit-log-path=${logIn(place.directory)}`,
    ];
  },
};

/** The last line of an audit log that names the target, once it is there. */
async function lineOf(log: string, requestUri: string): Promise<string> {
  const find = (): string | undefined =>
    readFileSync(log, 'utf8')
      .split('\n')
      .findLast((line) => line.includes(`"requestURI":"${requestUri}"`));
  return vi.waitUntil(find, { timeout: 60_000, interval: 20 });
}

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

/** Without what differs from request to request; what is left has to be the same to the byte. */
function comparable(line: string): string {
  return line
    .replace(uuid, 'ID')
    .replaceAll(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z/g, 'TIME')
    .replace(/X509SHA256=[0-9a-f]{64}/, 'SHA256')
    .replace(/"authorization\.k8s\.io\/reason":"(?:\\.|[^"\\])*"/, 'REASON');
}

describe.skipIf(isSkipped)('audit events beside those of kube-apiserver', () => {
  let controlPlane: ControlPlane;
  let filter: FilterUnderTest;
  let log: string;
  beforeAll(async () => {
    controlPlane = await startControlPlane({ program: auditingApiserver });
    await grantPolicyReader(controlPlane, 'watcher');
    const kubeconfig = controlPlane.kubeconfigFor({
      user: { token: controlPlane.tokens.watcher },
      file: join(controlPlane.directory, 'watcher.kubeconfig'),
    });
    log = join(controlPlane.directory, 'filter.log');
    filter = await FilterUnderTest.start(kubeconfig, ['--anonymous-auth=false', `--audit-log-path=${log}`]);
    await filter.inStep();
  });
  afterAll(async () => {
    await filter.stop();
    await controlPlane.stop();
  });

  const ask = async (connection: ConnectionOptions, target: string, headers: RawHeaders): Promise<number> => {
    const answer = await requestOnce(connection, target, { headers: { Connection: 'close', ...headers } });
    return answer.status;
  };

  it.each([
    [
      'a refused scrape',
      'mallory',
      [],
      '/metrics?refused',
      { 'User-Agent': 'a "<b>" caf\u00e9 \u2028' },
      403,
    ],
    [
      'a granted one',
      'root',
      ['system:masters'],
      '/metrics?granted',
      { 'User-Agent': 'Prometheus/3.5.0' },
      200,
    ],
    ['one without a User-Agent', 'root', ['system:masters'], '/metrics?bare', {}, 200],
  ])('%s is the same line', async (_, user, groups, target, headers, status) => {
    const atKubernetes = {
      ...keyPairOf(await controlPlane.issueClient(user, groups)),
      port: Number(new URL(controlPlane.url).port),
    };
    expect(await ask(atKubernetes, target, headers)).toBe(status);
    expect(await ask(await filter.connectionOf(user, groups), target, headers)).toBe(status);
    const theirs = comparable(await lineOf(logIn(controlPlane.directory), target));
    const ours = comparable(await lineOf(log, target));
    // A shard's message, as kcp's, says one thing more.
    expect(ours.replace(': access denied', '')).toBe(theirs);
  });

  it('nobody known: the same but for the stage, and without a word of what they tried', async () => {
    const headers = { Authorization: 'Bearer s3cret' };
    const port = Number(new URL(controlPlane.url).port);
    expect(await ask({ port }, '/metrics?nobody', headers)).toBe(401);
    expect(await ask({ port: filter.port }, '/metrics?nobody', headers)).toBe(401);
    const theirs = comparable(await lineOf(logIn(controlPlane.directory), '/metrics?nobody'));
    const ours = comparable(await lineOf(log, '/metrics?nobody'));
    expect(ours).toBe(theirs.replace('ResponseStarted', 'ResponseComplete'));
    expect(ours).not.toContain('s3cret');
  });
});
