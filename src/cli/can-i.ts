import { readFileSync } from 'node:fs';
import { withAuthenticatedGroup, type Identity } from '../authentication/identity.js';
import { authorizerUnion, type Verdict } from '../authorization/union.js';
import { listOf, valueOf, type Flag, type FlagValues } from './flags.js';
import { authorizationFlags, authorizersOf, openPolicyOf, policyFlags } from './policy-flags.js';
import { parseReviews, type Review } from './subject-access-review.js';
import { UsageError, usageError } from './usage-error.js';

const user: Flag = {
  name: '--user',
  value: 'name',
  description: 'user to decide for (default system:anonymous)',
};
const group: Flag = {
  name: '--group',
  value: 'groups',
  isList: true,
  description: 'groups of the user; system:authenticated is added as at a real request',
};
export const extraFlag: Flag = {
  name: '--extra',
  value: 'key=value',
  description:
    'an extra field of the user, such as authentication.kcp.io/scopes=cluster:root; may be repeated',
};

export const canIFlags: readonly Flag[] = [user, group, ...policyFlags, ...authorizationFlags];

export interface CanIRequest {
  readonly verb?: string;
  readonly path?: string;
  readonly filename?: string;
  readonly extras: readonly string[];
}

/** Answers one question, or a file of SubjectAccessReviews, from the policy alone. Resolves to the exit code. */
export async function canI(
  { verb, path, filename, extras }: CanIRequest,
  values: FlagValues,
  print: (line: string) => void,
): Promise<number> {
  if (filename === undefined && (verb === undefined || path === undefined)) {
    throw new UsageError('can-i: pass VERB and PATH, or --filename');
  }
  const reviews = filename === undefined ? undefined : readReviews(filename);
  const open = await openPolicyOf(values);
  try {
    const decide = authorizerUnion(authorizersOf(values, open.policy));
    if (reviews !== undefined) {
      for (const review of reviews) print(JSON.stringify(await answer(review, decide)));
      return 0;
    }
    const identity = identityOf(values, extras);
    const { decision, reason } = await decide({ identity, verb: verb ?? '', path: path ?? '' });
    const isAllowed = decision === 'allow';
    print(`${isAllowed ? 'yes' : 'no'}${reason === '' ? '' : ` - ${reason}`}`);
    return isAllowed ? 0 : 1;
  } finally {
    await open.close();
  }
}

async function answer(
  { document, attributes }: Review,
  decide: ReturnType<typeof authorizerUnion>,
): Promise<object> {
  const verdict: Verdict =
    attributes === undefined
      ? { decision: 'no-opinion', reason: 'only nonResourceAttributes are decided here' }
      : await decide(attributes);
  const { decision, reason } = verdict;
  return {
    ...document,
    status: {
      allowed: decision === 'allow',
      ...(decision === 'deny' ? { denied: true } : {}),
      ...(reason === '' ? {} : { reason }),
    },
  };
}

function readReviews(filename: string): readonly Review[] {
  try {
    return parseReviews(readFileSync(filename === '-' ? 0 : filename, 'utf8'));
  } catch (error) {
    throw usageError(`--filename: ${filename}`, error);
  }
}

function identityOf(values: FlagValues, extras: readonly string[]): Identity {
  const name = valueOf(values, user);
  const groups = listOf(values, group);
  const extra = extrasOf(extras);
  if (name === undefined)
    return { name: 'system:anonymous', groups: ['system:unauthenticated', ...groups], extra };
  return withAuthenticatedGroup({ name, groups, extra });
}

function extrasOf(pairs: readonly string[]): Identity['extra'] {
  const fields = new Map<string, string[]>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at <= 0) throw new UsageError(`${extraFlag.name}: ${JSON.stringify(pair)} is not key=value`);
    const key = pair.slice(0, at);
    fields.set(key, [...(fields.get(key) ?? []), pair.slice(at + 1)]);
  }
  return Object.fromEntries(fields);
}
