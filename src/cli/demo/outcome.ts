import { EventEmitter, once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import type { AuditEvent, AuditSink } from '../../audit/audit-event.js';
import type { Credentials, Caller } from './demo-credentials.js';
import { serverNames, type DemoServers, type ServerRole } from './servers.js';
import { wrap } from '../wrap.js';
import { replicateAnnotation } from '../../policy/sources/kubernetes-object.js';

interface Case {
  readonly caller: Caller;
  readonly path: string;
  readonly server: ServerRole;
  readonly expected: number;
  /** What the answer leaves out, for the reader. */
  readonly note: string | undefined;
}

interface CaseGroup {
  readonly title: string;
  readonly cases: readonly Case[];
}

type Row = readonly [caller: Caller, path: string, server: ServerRole, expected: number, note?: string];

export function describeCases({ callers }: Credentials): readonly CaseGroup[] {
  const { prometheus, prometheusToken, alice, bob, mallory, admin, impostor, unknownToken, anonymous } =
    callers;
  const cacheNote = 'a cache server has no RBAC: only system:masters is allowed';
  const bobNote = `this binding lacks the annotation ${replicateAnnotation}, so other shards do not have it`;
  const groups: Readonly<Record<string, readonly Row[]>> = {
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
  return Object.entries(groups).map(([title, rows]) => ({
    title,
    cases: rows.map(([caller, path, server, expected, note]) => ({ caller, path, server, expected, note })),
  }));
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

export interface Outcome {
  readonly of: Case;
  readonly status: number | undefined;
  readonly reason: string;
}

export function isAsExpected({ of, status }: Outcome): boolean {
  return status === of.expected;
}

export interface Stage {
  readonly servers: DemoServers;
  readonly credentials: Credentials;
  readonly trail: AuditTrail;
}

/** Sends the request of a case. A request that fails is an outcome too. */
export async function play(of: Case, { servers, credentials, trail }: Stage): Promise<Outcome> {
  try {
    const answer = await ask(of, servers.urls[of.server], credentials.servingCa);
    return { of, status: answer.status, reason: await reasonOf(answer, trail) };
  } catch (error) {
    return { of, status: undefined, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Why a request was allowed is in the audit event only; why it was refused, in the answer. */
async function reasonOf(
  { status, auditId, body }: Awaited<ReturnType<typeof ask>>,
  trail: AuditTrail,
): Promise<string> {
  if (status !== 200 && status !== 401) return messageOf(body);
  const event = auditId === undefined ? undefined : await trail.eventOf(auditId);
  if (status === 200) return event?.annotations['authorization.k8s.io/reason'] ?? 'no reason given';
  // The client learns no more than this; what is wrong with the credentials is for the operator.
  const refusals = event?.refusals?.map(({ authenticator, reason }) => `${authenticator}: ${reason}`) ?? [];
  return [messageOf(body), ...refusals].join('; ');
}

function messageOf(body: string): string {
  try {
    const status: unknown = JSON.parse(body);
    const isStatus = typeof status === 'object' && status !== null && 'message' in status;
    if (isStatus && typeof status.message === 'string') return status.message;
  } catch {
    // Text, as kcp answers a scoped path.
  }
  return body.trim();
}

/** Sends one request on a new connection. Rejects if there is no answer. */
async function ask({ caller, path }: Case, url: string, servingCa: string) {
  const { hostname, port } = new URL(url);
  const { certificate, token } = caller;
  const response = await send({
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
  });
  const auditId = response.headers['audit-id'];
  return {
    status: response.statusCode ?? 0,
    auditId: typeof auditId === 'string' ? auditId : undefined,
    body: await text(response),
  };
}

function send(options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(options, resolve).on('error', reject).end();
  });
}

const indent = ' '.repeat(7);

/** How wide the columns are in all groups, so that they line up. */
export function widthsOf(groups: readonly CaseGroup[]) {
  const cases = groups.flatMap((group) => group.cases);
  return {
    who: Math.max(...cases.map(({ caller }) => caller.label.length)),
    path: Math.max(...cases.map(({ path }) => path.length)),
  };
}

type Widths = ReturnType<typeof widthsOf>;

export function renderHeader({ who, path }: Widths): readonly string[] {
  return ['', `${indent}${'WHO'.padEnd(who)}  ${'PATH'.padEnd(path)}  SERVER`];
}

/** A group's title, and for each request a line with the reason below it. */
export function renderGroup(title: string, outcomes: readonly Outcome[], widths: Widths): readonly string[] {
  return ['', title, ...outcomes.flatMap((outcome) => renderOutcome(outcome, widths))];
}

function renderOutcome(outcome: Outcome, widths: Widths): readonly string[] {
  const { of, status, reason } = outcome;
  const columns = [of.caller.label.padEnd(widths.who), of.path.padEnd(widths.path), serverNames[of.server]];
  const isExpected = isAsExpected(outcome);
  return [
    `${isExpected ? '✓' : '✗'} ${status ?? '---'}  ${columns.join('  ')}`,
    ...(isExpected ? [] : wrap(`expected ${of.expected}`, indent)),
    ...wrap(reason, indent),
    ...(of.note === undefined ? [] : wrap(`(${of.note})`, indent)),
  ];
}
