import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join, resolve, sep } from 'node:path';
import type { Field } from '../../documents/field.js';
import type { FilesRead } from '../../files/files-read.js';
import { isHeaderToken, type ExecPlugin } from '../exec/exec-plugin.js';
import { certificateFault, privateKeyFault, type ClientCertificate } from '../../outgoing/tls-material.js';

/** The user of a kubeconfig. */
export interface KubeconfigUser {
  readonly clientCertificate?: ClientCertificate | undefined;
  readonly credentials: UserCredentials;
  /** Sent as `Impersonate-User`. */
  readonly impersonatedUser?: string | undefined;
}

/** What is sent beside a certificate, if anything. */
type UserCredentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'exec'; readonly plugin: ExecPlugin };

const maxTokenBytes = 64 * 1024;

/**
 * `clusterInfo` is passed to an exec plugin that asks for it.
 *
 * @throws KubeconfigError
 */
export async function readUser(
  user: Field,
  files: NamedFiles,
  clusterInfo: () => unknown,
): Promise<KubeconfigUser> {
  for (const [key, problem] of Object.entries(unsupported)) {
    if (!user.get(key).isEmpty) user.get(key).fail(problem);
  }
  return {
    clientCertificate: await readClientCertificate(user, files),
    credentials: await readCredentials(user, files, clusterInfo),
    impersonatedUser: readImpersonatedUser(user.get('as')),
  };
}

/** Fields that client-node would ignore, so that requests would be made as another user. */
const unsupported = {
  'auth-provider': 'is not supported: use exec',
  'token-file': 'is not a field of a kubeconfig; use tokenFile',
  'as-uid': 'is not supported: only as is',
  'as-groups': 'is not supported: only as is',
  'as-user-extra': 'is not supported: only as is',
} as const;

async function readClientCertificate(user: Field, files: NamedFiles): Promise<ClientCertificate | undefined> {
  const certificate = await files.pem(user, 'client-certificate');
  const key = await files.pem(user, 'client-key');
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined) return user.get('client-certificate').fail('is required with client-key');
  if (key === undefined) return user.get('client-key').fail('is required with client-certificate');
  const fault = certificateFault(certificate.text);
  if (fault !== undefined) certificate.field.fail(fault);
  const keyFault = privateKeyFault(certificate.text, key.text);
  if (keyFault !== undefined) key.field.fail(keyFault);
  return { certificate: certificate.text, privateKey: key.text };
}

async function readCredentials(
  user: Field,
  files: NamedFiles,
  clusterInfo: () => unknown,
): Promise<UserCredentials> {
  const [exec, tokenFile, token] = [user.get('exec'), user.get('tokenFile'), user.get('token')];
  const [username, password] = [user.get('username'), user.get('password')];
  const methods = [[exec], [tokenFile, token], [username, password]];
  const given = methods.filter((fields) => fields.some(({ isEmpty }) => !isEmpty));
  if (given.length > 1) user.fail('has more than one of exec, token and username');
  if (!exec.isEmpty) return { kind: 'exec', plugin: await readExecPlugin(exec, files, clusterInfo) };
  if (!tokenFile.isEmpty) return { kind: 'token', token: await readTokenFile(tokenFile, files) };
  if (!token.isEmpty) return { kind: 'token', token: checkedToken(token.string(), token) };
  if (given.length === 0) return { kind: 'none' };
  if (username.string().includes(':')) username.fail('must not hold a colon');
  return { kind: 'basic', username: username.string(), password: password.optionalText() ?? '' };
}

async function readTokenFile(field: Field, files: NamedFiles): Promise<string> {
  const token = (await files.text(field, maxTokenBytes)).trim();
  return token === '' ? field.fail('names a file that is empty') : checkedToken(token, field);
}

function checkedToken(token: string, field: Field): string {
  return isHeaderToken(token) ? token : field.fail(noHeader);
}

const noHeader = 'holds a character that no header can carry';

function readImpersonatedUser(field: Field): string | undefined {
  const name = field.optionalText();
  if (name === undefined || /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(name)) return name;
  return field.fail(noHeader);
}

const execVersions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];

async function readExecPlugin(
  exec: Field,
  files: NamedFiles,
  clusterInfo: () => unknown,
): Promise<ExecPlugin> {
  const apiVersion = exec.get('apiVersion');
  if (!execVersions.includes(apiVersion.string()))
    apiVersion.fail(`must be one of ${execVersions.join(', ')}`);
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
    cluster: exec.get('provideClusterInfo').boolean() ? clusterInfo() : undefined,
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
  for (const candidate of candidates) {
    const fault = await access(candidate, constants.X_OK).catch((error: unknown) => error);
    if (fault === undefined) return candidate;
  }
  return field.fail('is no program that can be run');
}

const maxPemBytes = 1024 * 1024;

/** The files that a kubeconfig names, relative to the kubeconfig's directory. */
export class NamedFiles {
  constructor(
    private readonly directory: string,
    private readonly files: FilesRead,
  ) {}

  resolve(path: string): string {
    return resolve(this.directory, path);
  }

  /** The text of the file that a field names. */
  async text(field: Field, maxBytes: number): Promise<string> {
    const reading = await this.files.read(this.resolve(field.string()), maxBytes);
    return reading.kind === 'bytes'
      ? reading.bytes.toString('utf8')
      : field.fail(`names a file that ${reading.fault}`);
  }

  /** `<key>-data` in base64, or else the file that `<key>` names; as in client-go, the data wins. */
  async pem(
    owner: Field,
    key: string,
  ): Promise<{ readonly text: string; readonly field: Field } | undefined> {
    const data = owner.get(`${key}-data`);
    const base64 = data.optionalText()?.replaceAll(/[\r\n]/g, '');
    if (base64 !== undefined) {
      if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64))
        data.fail('must be base64');
      return { text: Buffer.from(base64, 'base64').toString('utf8'), field: data };
    }
    const field = owner.get(key);
    if (field.optionalText() === undefined) return undefined;
    return { text: await this.text(field, maxPemBytes), field };
  }
}
