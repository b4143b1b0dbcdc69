import type { ExecPlugin } from '../exec/exec-plugin.js';
import { isHeaderToken } from '../header-token.js';
import { readExecPlugin } from './kubeconfig-exec.js';
import type { Field } from '../../documents/field.js';
import type { NamedFiles } from './named-files.js';
import { certificateFault, privateKeyFault, type ClientCertificate } from '../../outgoing/tls-material.js';

/** Who a kubeconfig says we are. */
export interface KubeconfigUser {
  readonly clientCertificate?: ClientCertificate;
  readonly credentials: UserCredentials;
  /** Of the `Impersonate-User` header. */
  readonly impersonatedUser?: string;
}

/** What is sent beside a certificate, if anything. */
export type UserCredentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'exec'; readonly plugin: ExecPlugin };

const maxTokenBytes = 64 * 1024;

export const anonymousUser: KubeconfigUser = { credentials: { kind: 'none' } };

/**
 * `clusterInfo` is what an exec plugin is told of the cluster, where it asks for that.
 *
 * @throws KubeconfigError
 */
export async function readUser(
  user: Field,
  files: NamedFiles,
  clusterInfo: () => unknown,
): Promise<KubeconfigUser> {
  refuseUnsupported(user);
  const clientCertificate = await readClientCertificate(user, files);
  const credentials = await readCredentials(user, files, clusterInfo);
  const impersonatedUser = readImpersonatedUser(user);
  return {
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
    credentials,
    ...(impersonatedUser === undefined ? {} : { impersonatedUser }),
  };
}

/** What would be left out without a word, and make us someone else than the kubeconfig says. */
function refuseUnsupported(user: Field): void {
  const unsupported: Readonly<Record<string, string>> = {
    'auth-provider': 'is not supported: use exec',
    'token-file': 'is no field of a kubeconfig: write tokenFile',
    'as-uid': 'is not supported: only as is',
    'as-groups': 'is not supported: only as is',
    'as-user-extra': 'is not supported: only as is',
  };
  for (const [key, problem] of Object.entries(unsupported)) {
    const field = user.get(key);
    if (!field.isEmpty) field.fail(problem);
  }
}

async function readClientCertificate(user: Field, files: NamedFiles): Promise<ClientCertificate | undefined> {
  const certificate = await files.pem(user, 'client-certificate');
  const key = await files.pem(user, 'client-key');
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined) return user.get('client-certificate').fail('is missing beside client-key');
  if (key === undefined) return user.get('client-key').fail('is missing beside client-certificate');
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
  return isHeaderToken(token) ? token : field.fail('holds a character that no header can carry');
}

function readImpersonatedUser(user: Field): string | undefined {
  const field = user.get('as');
  const name = field.optionalText();
  if (name === undefined || /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(name)) return name;
  return field.fail('holds a character that no header can carry');
}
