import { readFileSync } from 'node:fs';
import { withAuthenticatedGroup, type Identity } from '../authentication/identity.js';
import { type Attributes, authorizerUnion, type Verdict } from '../authorization/authorizer.js';
import { isGiven, listOf, valueOf, type Flag, type FlagValues } from '../options/flags.js';
import {
  authorizationFlags,
  authorizersOf,
  sayWhoIsNotAsked,
} from '../options/authorization/authorization-flags.js';
import { configFlag } from '../options/configuration/config-flag.js';
import { hasPolicy, offlineMode, requestedPath } from '../options/policy/offline-mode.js';
import { openPolicyOffline } from '../options/policy/policy-flags.js';
import { policySourceFlags } from '../options/policy/policy-source-flags.js';
import type { Command, CommandCall } from './command.js';
import { parseReviews, type Review } from './subject-access-review.js';
import { UsageError, usageError } from '../options/usage-error.js';

const user: Flag = {
  name: '--user',
  value: 'name',
  description: 'user to decide for (default system:anonymous)',
};
const group: Flag = {
  name: '--group',
  value: 'groups',
  isList: true,
  default: '',
  description: 'groups of the user; system:authenticated is added as at a real request',
};
const filenameFlag: Flag = {
  name: '--filename',
  short: '-f',
  value: 'file',
  description: 'SubjectAccessReviews (JSON, YAML) to answer; - reads stdin',
};
const extraFlag: Flag = {
  name: '--extra',
  value: 'key=value',
  isList: true,
  keepsCommas: true,
  description:
    'an extra field of the user, such as authentication.kcp.io/scopes=cluster:root; may be repeated',
};

export const canICommand: Command = {
  args: [
    { name: 'verb', description: 'such as get', isOptional: true },
    { name: 'path', description: 'such as /metrics', isOptional: true },
  ],
  flags: [
    filenameFlag,
    user,
    group,
    extraFlag,
    configFlag,
    offlineMode,
    ...policySourceFlags,
    ...authorizationFlags,
  ],
  run: canI,
};

/** Answers one question, or a file of SubjectAccessReviews, from the policy alone. Resolves to the exit code. */
async function canI({
  args: [verb, path],
  values,
  terminal: { print, printError },
}: CommandCall): Promise<number> {
  const asked = questionOf(verb, path, values);
  // Reads the flags, and with them their faults, before the policy.
  authorizersOf(values);
  sayWhoIsNotAsked(values, printError);
  const open = hasPolicy(values) ? await openPolicyOffline(values, printError) : undefined;
  try {
    const decide = authorizerUnion(authorizersOf(values, { policy: open?.policy }));
    if ('reviews' in asked) {
      for (const review of asked.reviews) print(JSON.stringify(await answer(review, decide)));
      return 0;
    }
    const requested = requestedPath(asked.path, values);
    const { decision, reason }: Verdict =
      'refused' in requested
        ? { decision: 'no-opinion', reason: requested.refused }
        : await decide({ ...asked, path: requested.path });
    const isAllowed = decision === 'allow';
    print(`${isAllowed ? 'yes' : 'no'}${reason === '' ? '' : ` - ${reason}`}`);
    return isAllowed ? 0 : 1;
  } finally {
    await open?.close();
  }
}

function questionOf(
  verb: string | undefined,
  path: string | undefined,
  values: FlagValues,
): Attributes | { readonly reviews: readonly Review[] } {
  const filename = valueOf(values, filenameFlag);
  const extras = listOf(values, extraFlag);
  if (filename === undefined) {
    if (verb === undefined || path === undefined) {
      throw new UsageError('can-i: pass VERB and PATH, or --filename');
    }
    return { identity: identityOf(values, extras), verb, path };
  }
  const besides = [
    ...(verb === undefined ? [] : ['VERB']),
    ...(path === undefined ? [] : ['PATH']),
    ...[user, group].filter((flag) => isGiven(values, flag)).map(({ name }) => name),
    ...(extras.length === 0 ? [] : [extraFlag.name]),
  ];
  if (besides.length > 0) {
    throw new UsageError(`--filename: asks all there is to ask: leave out ${besides.join(', ')}`);
  }
  return { reviews: readReviews(filename) };
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
