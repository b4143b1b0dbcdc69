import { presentOnly } from '../present-only.js';
import { oneLine } from '../documents/one-line.js';
import type { ClusterRoleBinding } from '../policy/objects.js';
import { openPolicy, type OpenPolicy, type OpenPolicyOptions } from '../policy/open-policy.js';
import type { Policy } from '../policy/policy.js';
import { runInSlices } from '../time-slice.js';
import { PolicySourceMetrics, registerPolicyMetrics } from '../telemetry/policy-metrics.js';
import type { GivenOptions } from './option.js';
import type { Opening } from './starting.js';
import { policy, policySourcesOf, type PolicySourceEvents } from './policy-options.js';
import { UsageError, usageError } from './usage-error.js';

type PolicyEvents = PolicySourceEvents &
  Required<Pick<PolicySourceEvents, 'onWarning'>> &
  Pick<OpenPolicyOptions, 'onSnapshot' | 'through'>;

/** Opens the policy that the options describe, and follows it. Gives API servers `waitMs` to answer. */
export async function openPolicyOf(given: GivenOptions, events: PolicyEvents, waitMs = 0) {
  const { onWarning, onSnapshot, through } = events;
  const { policySnapshot: snapshotFile } = policy.read(given);
  const warnings = new DanglingBindingWarnings(onWarning);
  const open = await openPolicy({
    ...policySourcesOf(given, events),
    ...presentOnly({ snapshotFile, onSnapshot, through }),
    onChange: warnings.changed,
  }).catch((error: unknown) => {
    // A source's error already names its option.
    throw error instanceof UsageError || snapshotFile === undefined
      ? error
      : usageError(policy.options.policySnapshot.name, error);
  });
  await open.settled(waitMs);
  await warnings.look(open.policy);
  return {
    ...open,
    close: async () => {
      warnings.close();
      await open.close();
    },
  };
}

type PolicyOpening = Pick<Opening, 'registry' | 'telemetry' | 'requests' | 'logger' | 'policyWaitMs'> &
  Pick<OpenPolicyOptions, 'through'>;

/** Opens the policy that the options describe, with logs and metrics. @throws UsageError */
export async function openFollowedPolicy(
  given: GivenOptions,
  { registry, telemetry, requests, logger, through, policyWaitMs }: PolicyOpening,
): Promise<OpenPolicy> {
  const metrics = new PolicySourceMetrics(registry, requests);
  const events: PolicyEvents = {
    onWarning: logger.warn.bind(logger, {}),
    onReload: (source, result) => {
      telemetry.policyReload(source, result.result);
      if (result.result === 'failure') logger.error({ source }, result.message);
      else logger.info({ source }, 'policy reloaded');
    },
    observerOf: (source) => ({
      ...metrics.observerOf(source),
      lost: (reason) => {
        logger.warn({ source }, `out of step with the policy's source: ${reason}`);
      },
      synced: logger.info.bind(logger, { source }, "in step with the policy's source"),
    }),
    onSnapshot: (snapshot) => {
      metrics.snapshot(snapshot);
      const { operation, result, message = 'policy snapshot' } = snapshot;
      // Routine writes must not drown the message that the policy comes from a snapshot.
      const routine = operation === 'write' ? 'debug' : 'warn';
      const level = result === 'missing' ? 'info' : result === 'success' ? routine : 'warn';
      logger[level]({ operation, result }, message);
    },
    ...presentOnly({ through }),
  };
  const open = await openPolicyOf(given, events, policyWaitMs);
  registerPolicyMetrics(registry, () => open.policy.status());
  return open;
}

/** Bounds the memory for bindings that were warned of. */
const maxRemembered = 1000;

const maxLength = 2048;

/** How often bindings are looked at (ms), since that may have to walk the whole policy. */
const quietMs = 2000;

/** Warns once of each binding to a missing role; call it on every change. */
class DanglingBindingWarnings {
  readonly #said = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #look = Promise.resolve();

  constructor(private readonly warn: (message: string) => void) {}

  readonly changed = (policy: Policy): void => {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.look(policy);
    }, quietMs).unref();
  };

  look(policy: Policy): Promise<void> {
    this.#look = this.#look.then(() => runInSlices(this.#walk(policy)));
    return this.#look;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  *#walk(policy: Policy): Generator<undefined, void, undefined> {
    // The role may still arrive; the end of the first sync is a change, too.
    if (policy.status().some(({ state, inForce }) => state === 'syncing' && inForce)) return;
    for (const found of policy.danglingBindings()) {
      if (found !== undefined) this.#say(found.binding, found.layer);
      yield;
    }
  }

  #say({ name, role, origin }: ClusterRoleBinding, layer: string): void {
    const text = `${origin ?? layer}: ClusterRoleBinding ${JSON.stringify(name)} names ClusterRole ${JSON.stringify(role)}, which does not exist: it grants nothing`;
    const message = oneLine(text, maxLength);
    if (this.#said.has(message)) return;
    if (this.#said.size >= maxRemembered) this.#said.clear();
    this.#said.add(message);
    this.warn(message);
  }
}
