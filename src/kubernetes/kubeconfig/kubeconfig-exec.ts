import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join, sep } from 'node:path';
import type { ExecPlugin } from '../exec/exec-plugin.js';
import type { Field } from '../../documents/field.js';
import type { NamedFiles } from './named-files.js';

const apiVersions: ReadonlySet<string> = new Set([
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
]);

/**
 * A user's `exec`. `clusterInfo` is what the plugin is told of the cluster, where it asks for that.
 *
 * @throws KubeconfigError, also for a command that there is not.
 */
export async function readExecPlugin(
  exec: Field,
  files: NamedFiles,
  clusterInfo: () => unknown,
): Promise<ExecPlugin> {
  const apiVersion = exec.get('apiVersion');
  if (!apiVersions.has(apiVersion.string())) apiVersion.fail(`must be one of ${[...apiVersions].join(', ')}`);
  const interactive = exec.get('interactiveMode');
  if (interactive.optionalText() === 'Always') interactive.fail('must not be Always: there is no terminal');
  const env = Object.fromEntries(
    exec
      .get('env')
      .items()
      .map((entry) => [entry.get('name').string(), entry.get('value').optionalText() ?? '']),
  );
  return {
    apiVersion: apiVersion.string(),
    command: await readCommand(exec.get('command'), files, env['PATH'] ?? process.env['PATH'] ?? ''),
    args: exec.get('args').strings(),
    env,
    ...(exec.get('provideClusterInfo').boolean() ? { cluster: clusterInfo() } : {}),
  };
}

/** As in client-go: a name is looked up in PATH, and a relative path starts at the kubeconfig's directory. */
async function readCommand(field: Field, files: NamedFiles, path: string): Promise<string> {
  const command = field.string();
  const isName = !command.includes('/') && !command.includes(sep);
  // Windows finds programs by endings that are not written.
  if (isName && process.platform === 'win32') return command;
  const candidates = isName
    ? path.split(delimiter).map((directory) => join(directory, command))
    : [files.resolve(command)];
  for (const candidate of candidates) if (await isExecutable(candidate)) return candidate;
  return field.fail('is no program that can be run');
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
