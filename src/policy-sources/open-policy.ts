import { Policy } from '../rbac/policy.js';
import { bootstrapPolicy } from './bootstrap.js';
import type { PolicySource } from './policy-source.js';

export interface OpenPolicyOptions {
  /** In this order; a binding's role is looked for in its own source, then in the later ones. */
  readonly sources: readonly PolicySource[];
  /** Whether kcp's own roles and bindings (`rbac/bootstrap-policy.yaml`) stand behind them. Default true. */
  readonly bootstrap?: boolean;
  /** How long a policy may decide after its source was lost (ms). Default: for ever. */
  readonly maxStalenessMs?: number;
  /** Called after each change. */
  readonly onChange?: (policy: Policy) => void;
}

export interface OpenPolicy {
  readonly policy: Policy;
  /** Stops following the sources; the last policy stays in force. */
  close(): Promise<void>;
}

/** The bootstrap policy's layer, also in metrics and health checks. */
export const bootstrapLayer = 'bootstrap';

/**
 * A policy that follows its sources.
 *
 * @throws what a source's `start` rejects with; then none is followed.
 */
export async function openPolicy({
  sources,
  bootstrap = true,
  maxStalenessMs,
  onChange,
}: OpenPolicyOptions): Promise<OpenPolicy> {
  const policy = new Policy({
    layers: [...sources.map(({ name }) => name), ...(bootstrap ? [bootstrapLayer] : [])],
    ...(maxStalenessMs === undefined ? {} : { maxStalenessMs }),
    ...(onChange === undefined ? {} : { onChange }),
  });
  if (bootstrap) policy.sink(bootstrapLayer).replace(bootstrapPolicy());
  const close = async (): Promise<void> => {
    await Promise.all(sources.map((source) => source.close()));
  };
  try {
    await Promise.all(sources.map((source) => source.start(policy.sink(source.name))));
  } catch (error) {
    await close();
    throw error;
  }
  return { policy, close };
}
