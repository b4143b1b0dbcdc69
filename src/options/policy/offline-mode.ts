import { createPathClassifier, decidedPath, pathRefusal, type ServerKind } from '../../paths/classify.js';
import { zPagePaths } from '../../server/z-pages/z-page.js';
import { parseChoice } from '../flag-values.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { namesPolicySource } from './policy-source-flags.js';

const modes = ['shard', 'cache-server'] as const;

/** The same as that of `start`, which a configuration file has, for commands that answer offline. */
export const offlineMode: Flag = {
  name: '--mode',
  value: 'mode',
  choices: modes,
  default: 'shard',
  description: `which server is asked, ${modes.join(' or ')}; a cache-server asks no RBAC where no flag says where the policy is`,
};

/** Whether that server would have a policy. @throws UsageError naming the flag. */
export function hasPolicy(values: FlagValues): boolean {
  return modeOf(values) === 'shard' || namesPolicySource(values);
}

/** What that server decides on where a path is requested, or why it does not. @throws UsageError naming the flag. */
export function requestedPath(
  target: string,
  values: FlagValues,
): { readonly path: string } | { readonly refused: string } {
  const serverKind = modeOf(values);
  const classify = createPathClassifier({ serverKind, endpoints: ['/metrics'], unscopedPaths: zPagePaths });
  const classification = classify(target);
  const refusal = pathRefusal(classification, serverKind);
  if (refusal !== undefined) return { refused: `the server answers ${refusal.code}: ${refusal.reason}` };
  const path = decidedPath(classification);
  return path === undefined ? { refused: 'the server answers 403: below a scope' } : { path };
}

function modeOf(values: FlagValues): ServerKind {
  return parseChoice(offlineMode.name, valueOf(values, offlineMode) ?? '', modes);
}
