import { spawn, type ChildProcess } from 'node:child_process';
import { systemCode } from '../../error-class.js';
import { certificateFault, privateKeyFault, type ClientCertificate } from '../../outgoing/tls-material.js';
import { member } from '../json.js';
import { ExecPluginError } from '../kubernetes-errors.js';
import { isDeepStrictEqual } from 'node:util';

/** A program that provides credentials: `exec` of a kubeconfig's user. */
export interface ExecPlugin {
  readonly apiVersion: string;
  /** A path, or a name to be found in PATH. */
  readonly command: string;
  readonly args: readonly string[];
  /** In addition to this process' own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The cluster, passed to the plugin if it asks for it. */
  readonly cluster: unknown;
}

/** A token, a client certificate, or both; `expiresAt`: in ms since the epoch, undefined until the server refuses it. */
export type ExecCredential = ReturnType<typeof readExecCredential>;

const maxOutputBytes = 1024 * 1024;

/** Whether a text can be a bearer token: one or more visible ASCII characters. */
export function isHeaderToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

type Plugin = ReturnType<typeof start>;

/** Runs it without a terminal. */
function start({ apiVersion, command, args, env, cluster }: ExecPlugin) {
  const info = { apiVersion, kind: 'ExecCredential', spec: { cluster, interactive: false } };
  try {
    return spawn(command, args, {
      env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      // Its stderr may contain a token and must not reach this program's log.
      stdio: ['ignore', 'pipe', 'ignore'],
      // A process group of its own, so that all its processes can be ended.
      detached: true,
    });
  } catch (error) {
    throw cannotRun(error);
  }
}

/** `signal` ends it at once, with all processes that it has started. */
function outputOf(child: Plugin, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (problem: string): void => {
      reject(new ExecPluginError(`the exec plugin ${problem}`));
    };
    const end = (problem: string): void => {
      fail(problem);
      killGroup(child);
      child.stdout.destroy();
    };
    const onAbort = (): void => {
      end('did not finish in time');
    };
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > maxOutputBytes) end(`wrote more than ${maxOutputBytes} bytes`);
    });
    child.once('error', (error) => {
      signal.removeEventListener('abort', onAbort);
      reject(cannotRun(error));
    });
    child.once('close', (code, killedBy) => {
      signal.removeEventListener('abort', onAbort);
      if (code === 0) resolve(Buffer.concat(chunks).toString('utf8'));
      else fail(code === null ? `was ended by ${killedBy ?? 'a signal'}` : `exited with code ${code}`);
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended already, or the system has no process groups.
    child.kill('SIGKILL');
  }
}

function cannotRun(error: unknown): ExecPluginError {
  return new ExecPluginError(`the exec plugin cannot be run: ${systemCode(error)}`);
}

/**
 * An ExecCredential as plugins print it:
 * https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
 */
function readExecCredential(output: string, apiVersion: string) {
  let credential: unknown;
  try {
    credential = JSON.parse(output);
  } catch {
    throw unusable('no JSON');
  }
  /** Undefined for an empty one too. */
  const textOf = (key: string): string | undefined => {
    const value = member(credential, 'status', key) ?? '';
    if (typeof value !== 'string') throw unusable(`a ${key} that is no string`);
    return value === '' ? undefined : value;
  };
  if (member(credential, 'kind') !== 'ExecCredential') throw unusable('no ExecCredential');
  if (member(credential, 'apiVersion') !== apiVersion)
    throw unusable('another apiVersion than it was asked for');
  const token = textOf('token');
  if (token !== undefined && !isHeaderToken(token)) throw unusable('a token that no header can carry');
  const clientCertificate = pairOf(textOf('clientCertificateData'), textOf('clientKeyData'));
  if (token === undefined && clientCertificate === undefined) throw unusable('neither token nor certificate');
  const expiration = textOf('expirationTimestamp');
  const expiresAt = expiration === undefined ? undefined : Date.parse(expiration);
  if (Number.isNaN(expiresAt)) throw unusable('an expirationTimestamp that is no time');
  return { token, clientCertificate, expiresAt };
}

function pairOf(
  certificate: string | undefined,
  privateKey: string | undefined,
): ClientCertificate | undefined {
  if (certificate === undefined && privateKey === undefined) return undefined;
  if (certificate === undefined) throw unusable('a key without certificate');
  if (privateKey === undefined) throw unusable('a certificate without key');
  const fault = certificateFault(certificate);
  if (fault !== undefined) throw unusable(`clientCertificateData that ${fault}`);
  const keyFault = privateKeyFault(certificate, privateKey);
  if (keyFault !== undefined) throw unusable(`clientKeyData that ${keyFault}`);
  return { certificate, privateKey };
}

function unusable(what: string): ExecPluginError {
  return new ExecPluginError(`the exec plugin gave ${what}`);
}

/** Keeps the credential of a kubeconfig's exec plugin while it is valid. */
export class ExecCredentials {
  readonly #running = new Set<AbortController>();
  #plugin: ExecPlugin | undefined;
  #credential: ExecCredential | undefined;
  /** Of `#plugin`. */
  #run: Promise<ExecCredential> | undefined;
  #isClosed = false;

  /** `timeoutMs`: how long the plugin may run. */
  constructor(private readonly timeoutMs: number) {}

  /**
   * Runs the plugin, unless its credential is still valid; one run serves all simultaneous callers.
   *
   * @throws ExecPluginError; the next call runs it again.
   */
  async get(plugin: ExecPlugin): Promise<ExecCredential> {
    if (this.#isClosed) throw new ExecPluginError('the exec plugin is not run any more');
    if (!isDeepStrictEqual(plugin, this.#plugin)) {
      this.#plugin = plugin;
      this.#credential = undefined;
      this.#run = undefined;
    }
    const credential = this.#credential;
    if (credential !== undefined && (credential.expiresAt ?? Infinity) > Date.now()) return credential;
    this.#run ??= this.#start(plugin);
    return this.#run;
  }

  /** The last credential, valid or not; runs nothing. */
  last(plugin: ExecPlugin): ExecCredential | undefined {
    return isDeepStrictEqual(plugin, this.#plugin) ? this.#credential : undefined;
  }

  /** The server has refused it: the plugin is run again although it has not expired. */
  drop(credential: ExecCredential): void {
    if (this.#credential === credential) this.#credential = undefined;
  }

  /** Ends a running plugin; none is run afterwards. */
  close(): void {
    this.#isClosed = true;
    for (const running of this.#running) running.abort();
  }

  async #credentialOf(plugin: ExecPlugin, signal: AbortSignal): Promise<ExecCredential> {
    return readExecCredential(await outputOf(start(plugin), signal), plugin.apiVersion);
  }

  #start(plugin: ExecPlugin): Promise<ExecCredential> {
    const running = new AbortController();
    this.#running.add(running);
    const deadline = setTimeout(() => {
      running.abort();
    }, this.timeoutMs);
    const run = this.#credentialOf(plugin, running.signal)
      .then((credential) => {
        if (this.#run === run) this.#credential = credential;
        return credential;
      })
      .finally(() => {
        clearTimeout(deadline);
        this.#running.delete(running);
        if (this.#run === run) this.#run = undefined;
      });
    return run;
  }
}
