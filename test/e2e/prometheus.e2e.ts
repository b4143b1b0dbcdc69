import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { localAuthority } from '../support/local-authority.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { isPrometheusSkipped } from './binaries.js';
import { delegatingControlPlane, type DelegatingControlPlane } from './delegating-control-plane.js';
import { FilterUnderTest } from './filter-under-test.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { Prometheus } from './prometheus.js';
import { secondsFromNow, signingKeyOf, signToken, tokenIssuer } from './signed-tokens.js';

const settles = { timeout: 60_000, interval: 100 };
const rotations = 4;

describe.skipIf(isPrometheusSkipped)('Prometheus', () => {
  onControlPlane(kubeApiserver, 'with the token of a service account in a file', (start) => {
    let delegating: DelegatingControlPlane;
    beforeAll(async () => {
      delegating = await delegatingControlPlane(await start());
    });

    it.each<[string, (all: DelegatingControlPlane) => readonly string[]]>([
      [
        'verified here',
        ({ controlPlane }) => [
          `--service-account-key-file=${join(controlPlane.directory, 'service-account.pub')}`,
          `--service-account-issuer=${tokenIssuer}`,
        ],
      ],
      ['reviewed by the server', ({ kubeconfig }) => [`--authentication-kubeconfig=${kubeconfig}`]],
    ])('goes on over its rotations, and stops when it has expired: %s', async (_where, flagsOf) => {
      const { accounts, controlPlane, kubeconfig, prometheus: account } = delegating;
      const directory = temporaryDirectory();
      const { authority, serving } = await localAuthority();
      const filter = await FilterUnderTest.start(kubeconfig, [
        `--tls-cert-file=${directory.write('serving.crt', serving.certificatePem)}`,
        `--tls-private-key-file=${directory.write('serving.key', serving.privateKeyPem)}`,
        ...flagsOf(delegating),
      ]);
      await filter.inStep();

      const credentialsFile = join(directory.path, 'token');
      // In one step, as a kubelet does it.
      const rotate = (token: string): void => {
        writeFileSync(`${credentialsFile}.new`, token);
        renameSync(`${credentialsFile}.new`, credentialsFile);
      };
      rotate(await accounts.requestToken(account));
      const prometheus = await Prometheus.start({
        directory,
        port: filter.port,
        caFile: directory.write('ca.crt', authority.certificatePem),
        credentialsFile,
      });
      onTestFinished(() => prometheus.stop());
      const scrapes = async (): Promise<number> => (await prometheus.valueOf('count_over_time(up[5m])')) ?? 0;
      const isUp = (): Promise<number | undefined> => prometheus.valueOf('up');

      for (let rotation = 0; rotation < rotations; rotation += 1) {
        const before = await scrapes();
        await expect.poll(scrapes, settles).toBeGreaterThan(before + 2);
        rotate(await accounts.requestToken(account));
      }
      const before = await scrapes();
      await expect.poll(scrapes, settles).toBeGreaterThan(before + 2);
      expect(await prometheus.valueOf('min_over_time(up[5m])')).toBe(1);

      const expired = await signToken(signingKeyOf(controlPlane), account, { exp: secondsFromNow(-120) });
      rotate(expired);
      await expect.poll(isUp, settles).toBe(0);
      expect(await prometheus.lastError()).toContain('401 Unauthorized');
      rotate(await accounts.requestToken(account));
      await expect.poll(isUp, settles).toBe(1);
      expect(filter.log()).not.toContain(expired);
    });
  });
});
