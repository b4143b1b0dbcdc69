import { authorization, authorizersOf } from '../options/authorization-options.js';
import {
  checkAuthorizers,
  inWorkspace,
  offlineTopics,
  openPolicyOffline,
} from '../options/offline-options.js';
import { requestedPath, requireWorkspaces, workspaceOf } from '../options/offline-options.js';
import { fault, isGiven, topic, type GivenOptions } from '../options/option.js';
import { file, list, parsed, text } from '../options/option-kinds.js';
import { usageError, UsageError } from '../options/usage-error.js';
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
  topics: [question, ...offlineTopics],
  run: canI,
};

type Decide = (attributes: Attributes, workspace: string | undefined) => Verdict | Promise<Verdict>;

/** Answers one question, or a file of SubjectAccessReviews, from the policy. Resolves to the exit code. */
async function canI({ args, values, terminal: { print, printError } }: CommandCall): Promise<number> {
  const asked = questionOf(args, values);
  checkAuthorizers(values, printError);
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

function reasonAgainst({ identity, verb, path }: Attributes, values: GivenOptions, policy?: Policy): string {
  if (!authorization.read(values).authorizationOrder.includes('RBAC')) {
    return `RBAC is not in ${authorization.options.authorizationOrder.name}`;
  }
  return policy === undefined ? 'RBAC: there is no policy' : whyNot(policy, identity, verb, path);
}

function questionOf([verb, path]: CommandCall['args'], values: GivenOptions) {
  const { filename, user: name, group: groups, extra } = question.read(values);
  const { options } = question;
  if (filename === undefined) {
    if (verb === undefined || path === undefined) {
      throw new UsageError(`can-i: pass VERB and PATH, or ${options.filename.name}`);
    }
    const identity: Identity =
      name === undefined
        ? { name: 'system:anonymous', groups: ['system:unauthenticated', ...groups], extra }
        : withAuthenticatedGroup({ name, groups, extra });
    return { identity, verb, path };
  }
  const given = [options.user, options.group, inWorkspace.options.workspace, options.extra];
  const besides = [
    ...(verb === undefined ? [] : ['VERB']),
    ...(path === undefined ? [] : ['PATH']),
    ...given.filter((option) => isGiven(values, option)).map((option) => option.name),
  ];
  if (besides.length > 0) {
    throw fault(options.filename, `already contains the questions: leave out ${besides.join(', ')}`);
  }
  let reviews: readonly Review[];
  try {
    reviews = parseReviews(readFileSync(filename === '-' ? 0 : filename, 'utf8'));
  } catch (error) {
    throw usageError(`${options.filename.name}: ${filename}`, error);
  }
  // Reviews about the root workspace do not need the policies of workspaces.
  if (reviews.some((review) => review.workspace !== undefined && review.workspace !== 'root')) {
    requireWorkspaces(values, options.filename);
  }
  return { reviews };
}

async function answer({ document, attributes, workspace }: Review, decide: Decide): Promise<object> {
  const unsupported: Verdict = {
    decision: 'no-opinion',
    reason: 'only nonResourceAttributes are supported',
  };
  const { decision, reason } = attributes === undefined ? unsupported : await decide(attributes, workspace);
  const denied = decision === 'deny' && { denied: true };
  return {
    ...document,
    status: { allowed: decision === 'allow', ...denied, ...(reason !== '' && { reason }) },
  };
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
