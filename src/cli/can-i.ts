import { authorization, authorizersOf } from '../options/authorization-options.js';
import { general } from '../options/general-options.js';
import {
  gatewayPaths,
  inWorkspace,
  openPolicyOffline,
  policySources,
  requestedPath,
  requireWorkspaces,
  sayWhoIsNotAsked,
  workspaceOf,
} from '../options/offline-options.js';
import { fault, isGiven, topic, type GivenOptions } from '../options/option.js';
import { file, list, parsed, text } from '../options/option-kinds.js';
import { usageError, UsageError } from '../options/usage-error.js';
import { workspaceSources } from '../options/policy-options.js';
import { readFileSync } from 'node:fs';
import { withAuthenticatedGroup, type Identity } from '../authentication/identity.js';
import { type Attributes, authorizerUnion, type Verdict } from '../authorization/authorizer.js';
import { WorkspaceAuthorizer } from '../authorization/workspace-access.js';
import type { Command, CommandCall } from './command.js';
import { parseReviews, type Review } from './can-i-file.js';
import type { Policy } from '../policy/policy.js';
import { neverAsked, whyNot } from './why-not.js';

const question = topic('Options', {
  filename: file().help('SubjectAccessReviews (JSON, YAML) to answer; - reads stdin', { short: '-f' }),
  user: text('name').help('user to decide for (default system:anonymous)'),
  group: list('groups', []).help('groups of the user; system:authenticated is added as for a real request'),
  extra: parsed(list('key=value'), extrasIn, {}).help(
    'an extra field of the user, such as authentication.kcp.io/scopes=cluster:root; may be repeated',
    { keepsCommas: true },
  ),
});

export const canICommand: Command = {
  args: [
    { name: 'verb', description: 'such as get', isOptional: true },
    { name: 'path', description: 'such as /metrics', isOptional: true },
  ],
  topics: [question, inWorkspace, general, gatewayPaths, policySources, workspaceSources, authorization],
  run: canI,
};

type Decide = (attributes: Attributes, workspace: string | undefined) => Verdict | Promise<Verdict>;

/** Answers one question, or a file of SubjectAccessReviews, from the policy. Resolves to the exit code. */
async function canI({
  args: [verb, path],
  values,
  terminal: { print, printError },
}: CommandCall): Promise<number> {
  const asked = questionOf(verb, path, values);
  // Reports invalid flags before opening the policy.
  authorizersOf(values);
  sayWhoIsNotAsked(values, printError);
  const open = await openPolicyOffline(values, printError);
  try {
    const decide = authorizerUnion(authorizersOf(values, { policy: open?.policy }));
    const workspaces = open?.policy.workspaces && new WorkspaceAuthorizer(open.policy);
    const decideIn: Decide = (attributes, workspace) =>
      workspace === undefined || workspaces === undefined
        ? decide(attributes)
        : workspaces.decide(attributes, workspace);
    if ('reviews' in asked) {
      for (const review of asked.reviews) print(JSON.stringify(await answer(review, decideIn)));
      return 0;
    }
    const requested = requestedPath(asked.path, values);
    const workspace = workspaceOf(values);
    const { decision, reason }: Verdict =
      'refused' in requested
        ? { decision: 'no-opinion', reason: requested.refused }
        : await decideIn({ ...asked, ...requested }, workspace);
    const isAllowed = decision === 'allow';
    const isOpen = reason === '' && !isAllowed && 'path' in requested && workspace === undefined;
    const why = isOpen ? reasonAgainst({ ...asked, path: requested.path }, values, open?.policy) : reason;
    print(`${isAllowed ? 'yes' : 'no'}${why === '' ? '' : ` - ${why}`}`);
    const never = isOpen ? neverAsked(asked.verb, asked.path, requested.isOfGateway) : undefined;
    if (never !== undefined) printError(never);
    return isAllowed ? 0 : 1;
  } finally {
    await open?.close();
  }
}

function reasonAgainst(asked: Attributes, values: GivenOptions, policy: Policy | undefined): string {
  const { authorizationOrder } = authorization.options;
  if (!authorization.read(values).authorizationOrder.includes('RBAC')) {
    return `RBAC is not in ${authorizationOrder.name}`;
  }
  if (policy === undefined) return 'RBAC: there is no policy';
  return whyNot(policy, asked.identity, asked.verb, asked.path);
}

function questionOf(
  verb: string | undefined,
  path: string | undefined,
  values: GivenOptions,
): Attributes | { readonly reviews: readonly Review[] } {
  const { filename, extra } = question.read(values);
  if (filename === undefined) {
    if (verb === undefined || path === undefined) {
      throw new UsageError(`can-i: pass VERB and PATH, or ${question.options.filename.name}`);
    }
    return { identity: identityOf(values), verb, path };
  }
  const { user, group } = question.options;
  const { workspace } = inWorkspace.options;
  const besides = [
    ...(verb === undefined ? [] : ['VERB']),
    ...(path === undefined ? [] : ['PATH']),
    ...[user, group, workspace].filter((option) => isGiven(values, option)).map(({ name }) => name),
    ...(Object.keys(extra).length === 0 ? [] : [question.options.extra.name]),
  ];
  if (besides.length > 0) {
    throw fault(question.options.filename, `already contains the questions: leave out ${besides.join(', ')}`);
  }
  const reviews = readReviews(filename);
  // Root's own is answered without the policies of workspaces, too.
  if (reviews.some((review) => review.workspace !== undefined && review.workspace !== 'root')) {
    requireWorkspaces(values, question.options.filename);
  }
  return { reviews };
}

async function answer({ document, attributes, workspace }: Review, decide: Decide): Promise<object> {
  const verdict: Verdict =
    attributes === undefined
      ? { decision: 'no-opinion', reason: 'only nonResourceAttributes are supported' }
      : await decide(attributes, workspace);
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
    throw usageError(`${question.options.filename.name}: ${filename}`, error);
  }
}

function identityOf(values: GivenOptions): Identity {
  const { user: name, group: groups, extra } = question.read(values);
  if (name === undefined)
    return { name: 'system:anonymous', groups: ['system:unauthenticated', ...groups], extra };
  return withAuthenticatedGroup({ name, groups, extra });
}

function extrasIn(pairs: readonly string[]): Identity['extra'] {
  const fields = new Map<string, string[]>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at <= 0) throw new RangeError(`${JSON.stringify(pair)} is not key=value`);
    const key = pair.slice(0, at);
    fields.set(key, [...(fields.get(key) ?? []), pair.slice(at + 1)]);
  }
  return Object.fromEntries(fields);
}
