import { setTimeout } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { atEnd } from '../support/ending.js';
import { keyPairOf, RawClient, requestOnce } from '../support/raw-tls.js';
import { startProcess, type StartedProcess } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { metricsOf, type Metrics } from './metrics.js';
import { tellGuard } from './orphans.js';

const mebibyte = 1024 * 1024;

type ConnectionOf = (user: string, groups?: readonly string[]) => Promise<ConnectionOptions>;

/** The built program, which follows the policy of an API server unless its flags say otherwise. */
export class FilterUnderTest {
  readonly port: number;
  /** How to connect to it as somebody, by a client certificate. */
  readonly connectionOf: ConnectionOf;
  readonly #server: StartedProcess;
  /** May read whatever the policy says. */
  readonly #observer: RawClient;

  /**
   * It listens, and may not have read the policy yet; stopped after the test.
   * @param kubeconfig Of the API server with the policy; undefined: there is none.
   * @param flags in addition to what it needs.
   */
  static async start(
    kubeconfig: string | undefined,
    flags: readonly string[] = [],
  ): Promise<FilterUnderTest> {
    const directory = temporaryDirectory();
    const authority = await createAuthority({ commonName: 'scraper-ca' });
    const server = await startProcess([
      '--mode=shard',
      ...(kubeconfig === undefined ? [] : [`--root-kubeconfig=${kubeconfig}`]),
      `--client-ca-file=${directory.write('client-ca.crt', authority.certificatePem)}`,
      ...flags,
    ]);
    tellGuard('started', server.pid);
    const connectionOf: ConnectionOf = async (user, groups = []) => ({
      ...keyPairOf(await authority.issue({ commonName: user, organizations: groups, usage: 'clientAuth' })),
      port: server.port,
    });
    const observer = new RawClient(await connectionOf('observer', ['system:masters']));
    const filter = new FilterUnderTest(server, connectionOf, observer);
    atEnd(() => filter.stop());
    return filter;
  }

  private constructor(server: StartedProcess, connectionOf: ConnectionOf, observer: RawClient) {
    this.port = server.port;
    this.#server = server;
    this.connectionOf = connectionOf;
    this.#observer = observer;
  }

  /** To somebody who brings this token, on a connection of their own. */
  async statusForToken(token: string, target = '/metrics'): Promise<number> {
    const headers = { Authorization: `Bearer ${token}` };
    return (await requestOnce({ port: this.port }, target, { headers })).status;
  }

  /** All it has written to stderr so far. */
  log(): string {
    return this.#server.log();
  }

  async metrics(): Promise<Metrics> {
    return metricsOf((await this.#observer.request('/metrics')).body);
  }

  /** What /readyz says of the policy: `ok`, or `ok (stale for 3s: …)`, or `failed: …`. */
  async readiness(): Promise<string> {
    const { body } = await this.#observer.request('/readyz?verbose');
    return /^\[.\]policy-root (.*)$/m.exec(body)?.[1] ?? body;
  }

  /**
   * Resolves when it says that it is in step with its source: to the time of `performance.now()` then. Rejects after
   * 60 s by default: after an outage it may wait for 15 s, and for as long again where the server is not ready then.
   */
  inStep(timeoutMs?: number): Promise<number> {
    return this.#untilReadiness(/^ok$/, timeoutMs);
  }

  /** Resolves when it says that it is not in step, to the same. */
  stale(timeoutMs?: number): Promise<number> {
    return this.#untilReadiness(/^ok \(stale for \d+s/, timeoutMs);
  }

  /** MiB of memory that are its own. */
  async residentMebibytes(): Promise<number> {
    return (await this.metrics()).sum('process_resident_memory_bytes') / mebibyte;
  }

  async stop(): Promise<void> {
    this.#observer.close();
    await this.#server.stop();
    tellGuard('exited', this.#server.pid);
  }

  async #untilReadiness(expected: RegExp, timeoutMs = 60_000): Promise<number> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const readiness = await this.readiness();
      if (expected.test(readiness)) return performance.now();
      if (performance.now() > deadline) {
        throw new Error(`after ${timeoutMs / 1_000} s the policy is ${readiness}\n${this.log()}`);
      }
      await setTimeout(20);
    }
  }
}
