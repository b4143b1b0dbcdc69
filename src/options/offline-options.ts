import { createPathClassifier, decidedPath, pathRefusal, zPagePaths } from '../paths/classify.js';
import { asksWebhook, authorization, authorizersOf } from './authorization-options.js';
import { general, serverKindOf } from './general-options.js';
import { gateway } from './gateway-options.js';
import { fault, isGiven, only, optionsIn, topic, type GivenOptions, type Option } from './option.js';
import { text } from './option-kinds.js';
import { hasPolicy, policy, sourceOption, workspaceSources } from './policy-options.js';
import { UsageError } from './usage-error.js';

/** The policy options of commands that answer offline. */
const policySources = only(policy, 'rbacDir', 'rootKubeconfig', 'cacheKubeconfig', 'bootstrapPolicy');

/** What a command that answers offline has to know of the gateway. */
const gatewayPaths = only(gateway, 'gatewayPath');

/** In which workspace a command decides. */
export const inWorkspace = topic('Options', {
  workspace: text('workspace').help(
    'path of the workspace, or name of its logical cluster, in which to decide (default: the root workspace, as for metrics of the whole process)',
  ),
});

export function workspaceOf(given: GivenOptions): string | undefined {
  const { workspace } = inWorkspace.read(given);
  if (workspace !== undefined) requireWorkspaces(given, inWorkspace.options.workspace);
  return workspace;
}

/** @throws UsageError naming the option, where no source of the policies of workspaces is given. */
export function requireWorkspaces(given: GivenOptions, option: Option): void {
  const sources = optionsIn([workspaceSources]);
  if (sources.some((source) => isGiven(given, source))) return;
  throw fault(option, `needs ${sources.map(({ name }) => name).join(' or ')}`);
}

/**
 * The path that the server would authorize, or why it refuses the request before that.
 * @throws UsageError naming the option.
 */
export function requestedPath(
  target: string,
  given: GivenOptions,
): { readonly path: string; readonly isOfGateway: boolean } | { readonly refused: string } {
  const serverKind = serverKindOf(given);
  const classify = createPathClassifier({
    serverKind,
    endpoints: ['/metrics'],
    unscopedPaths: zPagePaths,
    gatewayPaths: [...gatewayPaths.read(given).gatewayPath.keys()],
  });
  const classification = classify(target);
  const refusal = pathRefusal(classification, serverKind);
  if (refusal !== undefined) return { refused: `the server answers ${refusal.code}: ${refusal.reason}` };
  const path = decidedPath(classification);
  return path === undefined
    ? { refused: 'the server answers 403: scoped path' }
    : { path, isOfGateway: classification.kind === 'gateway' };
}

/** The options of commands that answer offline. */
export const offlineTopics = [
  inWorkspace,
  general,
  gatewayPaths,
  policySources,
  workspaceSources,
  authorization,
] as const;

/**
 * Checks the authorizers as a start does, and says whom this command does not ask.
 * @throws UsageError naming the option.
 */
export function checkAuthorizers(given: GivenOptions, printError: (line: string) => void): void {
  authorizersOf(given);
  const { authorizationOrder } = authorization.options;
  if (!isGiven(given, authorizationOrder) || !asksWebhook(given)) return;
  printError(`${authorizationOrder.name}: this command does not ask Webhook`);
}

/** How long an offline command waits for API servers (ms). */
const offlineTimeoutMs = 10_000;

/**
 * Opens the policy for one answer, if the server would have one; warnings are printed once it is open, so that a failure
 * prints one line only.
 */
export async function openPolicyOffline(given: GivenOptions, printError: (line: string) => void) {
  if (!hasPolicy(given) && workspaceOf(given) === undefined) return undefined;
  const { openPolicyOf } = await import('./followed-policy.js');
  const warnings: string[] = [];
  const events = { onWarning: (message: string) => warnings.push(message) };
  const open = await openPolicyOf(given, events, offlineTimeoutMs);
  const missing = (await open.settled(0)).map(
    ({ layer, reason }) => `${sourceOption(layer).name}: ${reason ?? 'the server has not answered'}`,
  );
  const { policy: opened } = open;
  if ((opened.unavailable() ?? opened.workspacesUnavailable()) !== undefined) {
    await open.close();
    throw new UsageError(missing.join('; '));
  }
  for (const message of [...warnings, ...missing]) printError(message);
  return open;
}
