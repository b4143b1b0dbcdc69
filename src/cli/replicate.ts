import { configuration } from '../options/general-options.js';
import { fault, only, topic, type GivenOptions } from '../options/option.js';
import { boolean } from '../options/option-kinds.js';
import { policy } from '../options/policy-options.js';
import { usageError } from '../options/usage-error.js';
import type { ApiClient } from '../kubernetes/api-client.js';
import { openApiClient } from '../kubernetes/kubeconfig/kubeconfig-client.js';
import { oneLine } from '../documents/one-line.js';
import type { ShardLevelGrant } from '../authorization/shard-level-grants.js';
import { bootstrapPolicy } from '../policy/sources/bootstrap.js';
import { replicateAnnotation } from '../policy/sources/kubernetes-object.js';
import { ownEntry, valueAfter } from '../replication/annotation.js';
import { Replicator, type ReplicationEvent } from '../replication/replicator.js';
import { bootstrapRoleGrants, type Change, type RemovalReason } from '../replication/root-objects.js';
import type { Command, CommandCall } from './command.js';

const root = only(policy, 'rootKubeconfig');
const { rootKubeconfig } = root.options;
const mode = topic('Options', {
  once: boolean(false).help(
    'annotate the existing bindings and exit; exit code 1 if one could not be changed',
  ),
  dryRun: boolean(false).help('print the changes without making them'),
});

export const replicateCommand: Command = { topics: [configuration, root, mode], run: replicate };

/** Limits the line about a role with many paths. */
const maxLineLength = 1024;
const maxNamedGrants = 5;

/**
 * Annotates the bindings of the root workspace that only grant scraping, so that kcp replicates them, until asked to
 * stop. Resolves to the exit code.
 */
async function replicate({ values, terminal }: CommandCall): Promise<number> {
  const { print, printError, stopRequested } = terminal;
  const { once: isOnce, dryRun: isDryRun } = mode.read(values);
  const client = await clientOf(values, printError);
  const replicator = new Replicator({
    client,
    bootstrap: bootstrapRoleGrants(bootstrapPolicy()),
    isOnce,
    isDryRun,
    onEvent: (event) => {
      const isOutcome = event.kind === 'changed' || event.kind === 'skipped';
      (isOutcome ? print : printError)(oneLine(lineOf(event), maxLineLength));
    },
  });
  const running = replicator.run();
  try {
    await Promise.race([running, stopRequested()]);
  } finally {
    await replicator.close();
    client.close();
  }
  return (await running) ? 0 : 1;
}

async function clientOf(values: GivenOptions, onWarning: (message: string) => void): Promise<ApiClient> {
  const { rootKubeconfig: kubeconfig } = root.read(values);
  if (kubeconfig === undefined) {
    throw fault(rootKubeconfig, 'required: the kubeconfig of the root workspace');
  }
  const client = await openApiClient({ kubeconfig, onWarning }).catch((error: unknown) => {
    throw usageError(rootKubeconfig.name, error);
  });
  // Bindings of other workspaces do not grant scraping.
  const workspace = /\/clusters\/([^/]+)$/.exec(new URL(client.server).pathname)?.[1] ?? 'root';
  if (decodeURIComponent(workspace) === 'root') return client;
  throw fault(rootKubeconfig, `${client.server} is not the root workspace (/clusters/root)`);
}

function lineOf(event: ReplicationEvent): string {
  switch (event.kind) {
    case 'changed':
      return changeLine(event.change, event.isDryRun);
    case 'skipped': {
      const { name, role, beyond } = event.binding;
      const what = beyond.length === 0 ? 'resources' : wordsOf(beyond.slice(0, maxNamedGrants));
      return `skipped ClusterRoleBinding ${JSON.stringify(name)} (ClusterRole ${JSON.stringify(role)} also grants ${what}; annotate it by hand if other shards should have it)`;
    }
    case 'refused':
      return `${objectOf(event.change)}: not changed: ${event.message}`;
    case 'contested':
      return `${objectOf(event.change)}: another client keeps removing the annotation; next try in ${seconds(event.delayMs)}`;
    case 'retrying':
      return `${event.message}; next try in ${seconds(event.delayMs)}`;
    case 'lost':
      return `out of step with root, nothing is changed: ${event.message}`;
    case 'in-step':
      return 'in step with root';
    case 'gave-up':
      return `gave up: ${event.message}`;
  }
}

function changeLine(change: Change, isDryRun: boolean): string {
  if (change.action === 'add') {
    return `${isDryRun ? 'would annotate' : 'annotated'} ${objectOf(change)} (grants ${wordsOf(change.grants)})`;
  }
  const removes = isDryRun ? 'would remove' : 'removed';
  const what = `${valueAfter(change) === undefined ? '' : `${ownEntry} in `}${replicateAnnotation}`;
  return `${removes} ${what} from ${objectOf(change)} (${withdrawals[change.reason]})`;
}

const withdrawals: Readonly<Record<RemovalReason, string>> = {
  'grants-no-shard-level-path': 'no longer grants a shard-level path',
  'grants-resources': 'grants resources, too',
  'grants-beyond-metrics': 'grants more than reading metrics',
  'names-nobody': 'no longer has subjects',
  'not-bound': 'no ClusterRoleBinding needs it any longer',
};

function wordsOf(grants: readonly ShardLevelGrant[]): string {
  return grants.map(({ url, verbs }) => `${verbs.join('/')} ${url}`).join(', ');
}

function objectOf({ object: { kind, name } }: Change): string {
  return `${kind} ${JSON.stringify(name)}`;
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
