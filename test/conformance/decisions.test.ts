import { describe, expect, it } from 'vitest';
import { runCli } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { manifestOf, recorded, type RecordedPolicy } from './recorded.js';

interface Phase extends RecordedPolicy {
  readonly name: string;
  readonly requests: readonly {
    readonly user: { readonly name: string; readonly groups?: readonly string[]; readonly extra?: object };
    readonly verb: string;
    readonly path: string;
    readonly allowed: boolean;
  }[];
}

const { phases } = recorded('decisions.json') as { readonly phases: readonly Phase[] };

describe('every recorded decision, through can-i -f', () => {
  const directory = temporaryDirectory();
  const questions = temporaryDirectory();

  it.each(phases)('of phase $name is the same', async (phase) => {
    directory.write('policy.json', manifestOf(phase));
    const reviews = phase.requests.map(({ user: { name, groups = [], extra = {} }, verb, path }) => ({
      kind: 'SubjectAccessReview',
      apiVersion: 'authorization.k8s.io/v1',
      spec: { user: name, groups, extra, nonResourceAttributes: { verb, path } },
    }));
    const input = reviews.map((review) => JSON.stringify(review)).join('\n');
    const file = questions.write('reviews.json', input);
    const { code, stdout, stderr } = await runCli(['can-i', `--rbac-dir=${directory.path}`, '-f', file]);
    expect(code).toBe(0);
    // Some phases bind to roles that do not exist, which is told beside the answers.
    expect(stderr).toMatch(/^(?:.* which does not exist: it grants nothing\n)*$/);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { status: { allowed: boolean } }).status.allowed);
    expect(answers).toEqual(phase.requests.map(({ allowed }) => allowed));
  });
});
