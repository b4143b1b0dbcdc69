import { EventEmitter, once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import type { AuditEvent, AuditSink } from '../../audit/audit-event.js';
import type { Credentials, Caller } from './demo-credentials.js';
import { serverNames, type DemoUrls, type ServerRole } from './servers.js';
import { wrap } from '../wrap.js';
import { replicateAnnotation } from '../../policy/sources/kubernetes-object.js';

/** A request and the status it gets; `note` is what the answer leaves out, for the reader. */
type Case = readonly [caller: Caller, path: string, server: ServerRole, expected: number, note?: string];

/** The requests, in groups by title. */
export function describeCases({ callers }: Credentials): Readonly<Record<string, readonly Case[]>> {
  const { prometheus, prometheusToken, alice, bob, mallory, admin, impostor, unknownToken, anonymous } =
    callers;
  const cacheNote = 'a cache server has no RBAC: only system:masters is allowed';
  const bobNote = `this binding lacks the annotation ${replicateAnnotation}, so other shards do not have it`;
  return {
    Granted: [
      [prometheus, '/metrics', 'root', 200],
      [prometheus, '/metrics', 'second', 200],
      [alice, '/metrics', 'root', 200],
      [prometheusToken, '/metrics', 'root', 200],
      [anonymous, '/readyz', 'root', 200],
      [admin, '/metrics', 'cache', 200],
    ],
    'Authenticated, but not allowed': [
      [mallory, '/metrics', 'root', 403],
      [anonymous, '/metrics', 'root', 403],
      [prometheus, '/metrics', 'cache', 403, cacheNote],
    ],
    'Invalid credentials': [
      [impostor, '/metrics', 'root', 401],
      [unknownToken, '/metrics', 'root', 401],
    ],
    'A binding that kcp does not replicate': [
      [bob, '/metrics', 'root', 200],
      [bob, '/metrics', 'second', 403, bobNote],
    ],
    'Metrics of one workspace, which the second shard serves': [
      [alice, '/clusters/root:shop/metrics', 'second', 200],
      [alice, '/clusters/root:mail/metrics', 'second', 403],
      [bob, '/clusters/root:mail/metrics', 'second', 200],
      [mallory, '/clusters/root:mail/metrics', 'second', 403],
      [mallory, '/clusters/root:none/metrics', 'second', 403, 'an unknown workspace is answered the same'],
    ],
    'Other scoped paths, whoever asks': [
      [prometheus, '/clusters/root/metrics', 'root', 501],
      [admin, '/clusters/root/metrics', 'root', 501],
      [admin, '/shards/root/metrics', 'cache', 501],
    ],
  };
}

const eventTimeoutMs = 5000;
const answerTimeoutMs = 10_000;

/** The audit events of the servers, by audit id. */
export class AuditTrail {
  readonly #events = new Map<string, AuditEvent>();
  readonly #arrivals = new EventEmitter();

  readonly add: AuditSink = (event) => {
    this.#events.set(event.auditId, event);
    this.#arrivals.emit(event.auditId);
  };

  /** Waits for the event, which a server writes after its answer. Rejects after 5 s. */
  async eventOf(auditId: string): Promise<AuditEvent | undefined> {
    if (!this.#events.has(auditId)) {
      await once(this.#arrivals, auditId, { signal: AbortSignal.timeout(eventTimeoutMs) });
    }
    return this.#events.get(auditId);
  }
}

interface Stage {
  readonly urls: DemoUrls;
  readonly credentials: Credentials;
  readonly trail: AuditTrail;
}

export type Outcome = Awaited<ReturnType<typeof play>>;

/** Sends the request of a case. A request that fails is an outcome too. */
export async function play(of: Case, { urls, credentials, trail }: Stage) {
  const [caller, path, server, expected] = of;
  try {
    const answer = await ask(caller, path, urls[server], credentials.servingCa);
    const reason = await reasonOf(answer, trail);
    return { of, status: answer.status, reason, isExpected: answer.status === expected };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { of, status: undefined, reason, isExpected: false };
  }
}

/** Why a request was allowed is in the audit event only; why it was refused, in the answer. */
async function reasonOf({ status, auditId, body }: Awaited<ReturnType<typeof ask>>, trail: AuditTrail) {
  if (status !== 200 && status !== 401) return messageOf(body);
  const event = auditId === undefined ? undefined : await trail.eventOf(auditId);
  if (status === 200) return event?.annotations['authorization.k8s.io/reason'] ?? 'no reason given';
  // The client learns no more than this; what is wrong with the credentials is for the operator.
  const refusals = event?.refusals?.map(({ authenticator, reason }) => `${authenticator}: ${reason}`) ?? [];
  return [messageOf(body), ...refusals].join('; ');
}

function messageOf(body: string): string {
  try {
    const status = JSON.parse(body) as { readonly message?: unknown } | null;
    if (typeof status?.message === 'string') return status.message;
  } catch {
    // Text, as kcp answers a scoped path.
  }
  return body.trim();
}

/** Sends one request on a new connection. Rejects if there is no answer. */
async function ask({ certificate, token }: Caller, path: string, url: string, servingCa: string) {
  const { hostname, port } = new URL(url);
  const options: RequestOptions = {
    hostname,
    port,
    // Sent as it is.
    path,
    ca: servingCa,
    cert: certificate?.certificatePem,
    key: certificate?.privateKeyPem,
    headers: token === undefined ? undefined : { Authorization: `Bearer ${token}` },
    // A reused connection would carry the previous caller's certificate.
    agent: false,
    signal: AbortSignal.timeout(answerTimeoutMs),
  };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(options, resolve).on('error', reject).end();
  });
  const [auditId] = [response.headers['audit-id']].flat();
  return { status: response.statusCode ?? 0, auditId, body: await text(response) };
}

const indent = ' '.repeat(7);

/** How outcomes are printed: with columns as wide as all cases need. */
export function renderingOf(cases: readonly Case[]) {
  const whoWidth = Math.max(...cases.map(([{ label }]) => label.length));
  const pathWidth = Math.max(...cases.map(([, path]) => path.length));
  const columns = (who: string, path: string, server: string): string =>
    `${who.padEnd(whoWidth)}  ${path.padEnd(pathWidth)}  ${server}`;
  return {
    header: ['', `${indent}${columns('WHO', 'PATH', 'SERVER')}`],
    /** A line for the request, with the reason below it. */
    linesOf: ({ of: [caller, path, server, expected, note], status, reason, isExpected }: Outcome) => [
      `${isExpected ? '✓' : '✗'} ${status ?? '---'}  ${columns(caller.label, path, serverNames[server])}`,
      ...(isExpected ? [] : wrap(`expected ${expected}`, indent)),
      ...wrap(reason, indent),
      ...(note === undefined ? [] : wrap(`(${note})`, indent)),
    ],
  };
}
