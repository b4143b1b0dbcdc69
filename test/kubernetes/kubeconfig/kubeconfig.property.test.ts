import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { FilesRead } from '../../../src/files/files-read.js';
import { readKubeconfig, type Kubeconfig } from '../../../src/kubernetes/kubeconfig/kubeconfig.js';
import { createAuthority } from '../../../src/pki/throwaway-pki.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { base64, kubeconfigText } from '../kubeconfig-text.js';
import { KubeconfigError } from '../../../src/kubernetes/kubernetes-errors.js';
import { words } from '../../support/words.js';

const secret = 'S3cr3tMarker';

const directory = temporaryDirectory();
/** A good one, with secrets. */
let whole: string;

beforeAll(async () => {
  const authority = await createAuthority({ commonName: 'ca' });
  const alice = await authority.issue({ commonName: 'alice', usage: 'clientAuth' });
  whole = `
apiVersion: v1
kind: Config
current-context: root
contexts:
  - name: root
    context:
      cluster: kcp
      user: scraper
clusters:
  - name: kcp
    cluster:
      server: https://127.0.0.1:6443/clusters/root
      proxy-url: http://joe:${secret}@127.0.0.1:3128
      certificate-authority-data: ${base64(authority.certificatePem)}
users:
  - name: scraper
    user:
      client-certificate-data: ${base64(alice.certificatePem)}
      client-key-data: ${base64(alice.privateKeyPem)}
      token: ${secret}
      as: alice
`.trimStart();
});

function read(text: string): Promise<Kubeconfig> {
  return readKubeconfig(directory.write('kubeconfig', text), new FilesRead());
}

describe('whatever stands in a kubeconfig', () => {
  const fields = words(`
    token tokenFile password username as as-groups exec client-key name user cluster server current-context
    proxy-url tls-server-name certificate-authority
  `);
  const junk = fc.oneof(
    fc.constantFrom(
      ...words('{ } [ ] " \' # *a | > % , null 5'),
      ...Array.from('\n\t\0\u2028'),
      ': ',
      '- ',
      '&a ',
      '!!binary ',
      '---\n',
      '<<: ',
      secret,
    ),
    fc.string({ maxLength: 8 }),
  );
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), text: junk }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), length: fc.nat(80) }),
    fc.record({ kind: fc.constant('dropLine' as const), at: fc.nat() }),
    fc.record({ kind: fc.constant('swapLines' as const), at: fc.nat(), with: fc.nat() }),
    fc.record({ kind: fc.constant('renameField' as const), at: fc.nat(), text: fc.constantFrom(...fields) }),
  );
  type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never;

  function mutated(text: string, change: Mutation): string {
    const lines = text.split('\n');
    const lineAt = (at: number): number => at % lines.length;
    switch (change.kind) {
      case 'insert': {
        const at = change.at % (text.length + 1);
        return text.slice(0, at) + change.text + text.slice(at);
      }
      case 'cut': {
        const at = change.at % (text.length + 1);
        return text.slice(0, at) + text.slice(at + change.length);
      }
      case 'dropLine':
        return lines.toSpliced(lineAt(change.at), 1).join('\n');
      case 'swapLines': {
        const [one, other] = [lineAt(change.at), lineAt(change.with)];
        return lines
          .with(one, lines[other] ?? '')
          .with(other, lines[one] ?? '')
          .join('\n');
      }
      case 'renameField': {
        const line = lines[lineAt(change.at)] ?? '';
        return lines.with(lineAt(change.at), line.replace(/[\w-]+(?=:)/, change.text)).join('\n');
      }
    }
  }

  async function expectGoodOrRefused(content: string): Promise<void> {
    const outcome: unknown = await read(content).catch((error: unknown) => error);
    if (!(outcome instanceof Error)) return;
    expect(outcome).toBeInstanceOf(KubeconfigError);
    expect(outcome.message).not.toContain(secret);
    expect(outcome.message).not.toMatch(/\p{Cc}/u);
    expect(outcome.message.length).toBeLessThan(500);
    expect(outcome.stack).not.toContain(secret);
    expect(outcome.cause).toBe(undefined);
  }

  it('it is read or refused with a KubeconfigError that quotes none of it: mutations', async () => {
    await read(whole);
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 6 }), async (changes) => {
        await expectGoodOrRefused(changes.reduce(mutated, whole));
      }),
      { numRuns: 150 },
    );
  });

  it('it is read or refused with a KubeconfigError that quotes none of it: other texts', async () => {
    const parts = fc.array(fc.oneof(junk, fc.constantFrom(...fields)), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          parts.map((all) => all.join('')),
        ),
        expectGoodOrRefused,
      ),
      { numRuns: 150 },
    );
  });

  it('it is read or refused with a KubeconfigError that quotes none of it: values of other types', async () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(secret));
    const object = fc.dictionary(fc.constantFrom(...fields), value, { maxKeys: 4 });
    await fc.assert(
      fc.asyncProperty(object, object, async (cluster, user) => {
        await expectGoodOrRefused(
          kubeconfigText({
            cluster: { server: 'https://127.0.0.1:6443', ...cluster },
            user: { token: secret, ...user },
          }),
        );
      }),
      { numRuns: 150 },
    );
  });
});
