import { createPathClassifier, decidedPath, pathRefusal } from '../paths/classify.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import { zPagePaths } from '../server/z-pages/z-page.js';
import { asksWebhook, authorization } from './authorization-options.js';
import { serverKindOf } from './general-options.js';
import { isGiven, only, type GivenOptions } from './option.js';
import { namesPolicySource, policy, sourceOption } from './policy-options.js';
import { UsageError } from './usage-error.js';

/** The policy options of commands that answer offline. */
export const policySources = only(policy, 'rbacDir', 'rootKubeconfig', 'cacheKubeconfig', 'bootstrapPolicy');

/** Whether the server would have a policy. @throws UsageError naming the option. */
export function hasPolicy(given: GivenOptions): boolean {
  return serverKindOf(given) === 'shard' || namesPolicySource(given);
}

/** The path that the server would authorize, or why it refuses the request before that. @throws UsageError naming the option. */
export function requestedPath(
  target: string,
  given: GivenOptions,
): { readonly path: string } | { readonly refused: string } {
  const serverKind = serverKindOf(given);
  const classify = createPathClassifier({ serverKind, endpoints: ['/metrics'], unscopedPaths: zPagePaths });
  const classification = classify(target);
  const refusal = pathRefusal(classification, serverKind);
  if (refusal !== undefined) return { refused: `the server answers ${refusal.code}: ${refusal.reason}` };
  const path = decidedPath(classification);
  return path === undefined ? { refused: 'the server answers 403: scoped path' } : { path };
}

/** @throws UsageError naming the option. */
export function sayWhoIsNotAsked(given: GivenOptions, printError: (line: string) => void): void {
  const { authorizationOrder } = authorization.options;
  if (!isGiven(given, authorizationOrder) || !asksWebhook(given)) return;
  printError(`${authorizationOrder.name}: this command does not ask Webhook`);
}

/** How long an offline command waits for API servers (ms). */
const offlineTimeoutMs = 10_000;

/** Opens the policy for one answer; warnings are printed once it is open, so that a failure prints one line only. */
export async function openPolicyOffline(
  given: GivenOptions,
  printError: (line: string) => void,
): Promise<OpenPolicy> {
  const { openPolicyOf } = await import('./followed-policy.js');
  const warnings: string[] = [];
  const events = { onWarning: (message: string) => warnings.push(message) };
  const open = await openPolicyOf(given, events, offlineTimeoutMs);
  const missing = (await open.settled(0)).map(
    ({ layer, reason }) => `${sourceOption(layer).name}: ${reason ?? 'the server has not answered'}`,
  );
  if (open.policy.unavailable() !== undefined) {
    await open.close();
    throw new UsageError(missing.join('; '));
  }
  for (const message of [...warnings, ...missing]) printError(message);
  return open;
}
