import type { Caller, Credentials } from './credentials.js';
import { replicateAnnotation } from './policy.js';
import type { ServerRole } from './servers.js';

/** One request, and the status it must be answered with. */
export interface Case {
  readonly caller: Caller;
  readonly path: string;
  readonly server: ServerRole;
  readonly expected: number;
  /** What the answer leaves out, for the reader. */
  readonly note?: string;
}

export interface CaseGroup {
  readonly title: string;
  readonly cases: readonly Case[];
}

export function describeCases({ callers }: Credentials): readonly CaseGroup[] {
  const { prometheus, prometheusToken, alice, bob, mallory, admin, impostor, unknownToken, anonymous } =
    callers;
  return [
    {
      title: 'Granted',
      cases: [
        { caller: prometheus, path: '/metrics', server: 'root', expected: 200 },
        { caller: prometheus, path: '/metrics', server: 'second', expected: 200 },
        { caller: alice, path: '/metrics', server: 'root', expected: 200 },
        { caller: prometheusToken, path: '/metrics', server: 'root', expected: 200 },
        { caller: anonymous, path: '/readyz', server: 'root', expected: 200 },
        { caller: admin, path: '/metrics', server: 'cache', expected: 200 },
      ],
    },
    {
      title: 'Known, and not granted',
      cases: [
        { caller: mallory, path: '/metrics', server: 'root', expected: 403 },
        { caller: anonymous, path: '/metrics', server: 'root', expected: 403 },
        {
          caller: prometheus,
          path: '/metrics',
          server: 'cache',
          expected: 403,
          note: 'a cache server knows no RBAC: only system:masters may',
        },
      ],
    },
    {
      title: 'Credentials that are not believed',
      cases: [
        { caller: impostor, path: '/metrics', server: 'root', expected: 401 },
        { caller: unknownToken, path: '/metrics', server: 'root', expected: 401 },
      ],
    },
    {
      title: 'A binding that kcp does not replicate',
      cases: [
        { caller: bob, path: '/metrics', server: 'root', expected: 200 },
        {
          caller: bob,
          path: '/metrics',
          server: 'second',
          expected: 403,
          note: `his binding lacks the annotation ${replicateAnnotation}, so no other shard has it`,
        },
      ],
    },
    {
      title: 'Scoped paths, whoever asks',
      cases: [
        { caller: prometheus, path: '/clusters/root/metrics', server: 'root', expected: 501 },
        { caller: admin, path: '/clusters/root/metrics', server: 'second', expected: 501 },
        { caller: admin, path: '/shards/root/metrics', server: 'cache', expected: 501 },
      ],
    },
  ];
}
