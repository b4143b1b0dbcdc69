import { ask, type Answer } from './ask.js';
import type { AuditTrail } from './audit-trail.js';
import type { Case } from './cases.js';
import type { Credentials } from './credentials.js';
import type { DemoServers } from './servers.js';

/** A case and what came of it. */
export interface Outcome {
  readonly of: Case;
  /** Undefined where no answer came. */
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
  const { caller, path, server } = of;
  try {
    const answer = await ask({ url: servers.urls[server], path, caller, servingCa: credentials.servingCa });
    return { of, status: answer.status, reason: await reasonOf(answer, trail) };
  } catch (error) {
    return { of, status: undefined, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Why he was let in stands in the audit event only; why he was not, in the answer. */
async function reasonOf({ status, auditId, body }: Answer, trail: AuditTrail): Promise<string> {
  if (status !== 200 && status !== 401) return messageOf(body);
  const event = auditId === undefined ? undefined : await trail.eventOf(auditId);
  if (status === 200) return event?.annotations['authorization.k8s.io/reason'] ?? 'no reason was noted';
  // The client is told no more than this; what was wrong with his credentials is for the operator.
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
