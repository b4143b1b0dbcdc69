import { isDeepStrictEqual } from 'node:util';
import { ExecPluginError } from '../kubernetes-errors.js';
import { runExecPlugin, type ExecCredential, type ExecPlugin } from './exec-plugin.js';

/** What a kubeconfig's exec plugin gave, kept for as long as it is good. */
export class ExecCredentials {
  readonly #timeoutMs: number;
  readonly #running = new Set<AbortController>();
  #plugin: ExecPlugin | undefined;
  #credential: ExecCredential | undefined;
  /** Of `#plugin`. */
  #run: Promise<ExecCredential> | undefined;
  #isClosed = false;

  /** `timeoutMs`: how long the plugin may run. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Runs the plugin, unless it gave something that is still good; one run serves all who ask meanwhile.
   *
   * @throws ExecPluginError; whoever asks next runs it again.
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

  /** What the plugin gave before, good or not; runs nothing. */
  last(plugin: ExecPlugin): ExecCredential | undefined {
    return isDeepStrictEqual(plugin, this.#plugin) ? this.#credential : undefined;
  }

  /** The server has refused it, so that it will be asked for anew although it has not expired. */
  drop(credential: ExecCredential): void {
    if (this.#credential === credential) this.#credential = undefined;
  }

  /** Ends what runs, and runs nothing any more. */
  close(): void {
    this.#isClosed = true;
    for (const running of this.#running) running.abort();
  }

  #start(plugin: ExecPlugin): Promise<ExecCredential> {
    const running = new AbortController();
    this.#running.add(running);
    const deadline = setTimeout(() => {
      running.abort();
    }, this.#timeoutMs);
    const run = runExecPlugin(plugin, running.signal)
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
