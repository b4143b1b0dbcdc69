import type { ServerResponse } from 'node:http';
import { goQuote } from '../paths/request-target.js';
import type { VirtualCluster } from '../kubernetes/virtual-cluster.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import { sendText } from '../request/answer/status.js';
import { requestState, requestTarget, type Middleware, type Request } from '../request/middleware.js';
import { tell } from '../tell.js';
import type { HealthObserver } from '../telemetry/server-metrics.js';

/** The state of one check. The remark is shown to every client that may read health, so it names nothing. */
interface CheckResult {
  readonly ok: boolean;
  readonly remark?: string;
}

export interface HealthCheck {
  /** As in `/readyz/<name>`. */
  readonly name: string;
  check(): CheckResult;
}

export interface HealthChecks {
  /** Checks of `/livez` and `/healthz`: whether the process should keep running. */
  readonly live: readonly HealthCheck[];
  /** Further checks of `/readyz`: whether it should get requests. */
  readonly ready: readonly HealthCheck[];
}

type Endpoint = 'livez' | 'healthz' | 'readyz';

export const pingCheck: HealthCheck = { name: 'ping', check: () => ({ ok: true }) };

/** What is followed on other servers, if anything is, and shown in `/readyz`. */
export interface Followed {
  /** Closed with the server. */
  readonly policy?: OpenPolicy;
  readonly virtualCluster?: Pick<VirtualCluster, 'unavailable' | 'status'>;
}

/** The checks of `/readyz`: a policy from each source, none of them too old, and no shutdown. */
export function readinessChecks(
  { policy: open, virtualCluster }: Followed,
  isStopping: () => boolean,
): readonly HealthCheck[] {
  const layers = open?.policy.status().map(({ layer }) => layer) ?? [];
  return [
    ...layers.map((layer): HealthCheck => ({
      name: `policy-${layer}`,
      check() {
        const status = open?.policy.status().find((candidate) => candidate.layer === layer);
        if (status === undefined) return { ok: false };
        // A layer that is not in force does not matter: a fallback, or one that a fallback replaces.
        if (status.state === 'syncing') return { ok: !status.inForce, remark: 'not loaded yet' };
        if (status.state !== 'stale') return { ok: true };
        // A stale policy keeps serving; the reason is in the log, not in a public answer.
        const seconds = Math.round(status.ageMs / 1000);
        return { ok: true, remark: `stale for ${seconds}s: the last good policy is in force` };
      },
    })),
    {
      name: 'policy-staleness',
      check: () => ({
        ok: (open?.policy.unavailable() ?? open?.policy.workspacesUnavailable()) === undefined,
      }),
    },
    virtualCluster && {
      name: 'virtual-cluster',
      check: () => ({ ok: virtualCluster.unavailable() === undefined }),
    },
    { name: 'shutdown', check: () => ({ ok: !isStopping() }) },
  ].filter((check) => check !== undefined);
}

/**
 * `/livez`, `/readyz` and `/healthz` with kubernetes' texts: `ok`, every check with `?verbose`, without some
 * with `?exclude=<name>`, one by itself as `/readyz/<name>`. Passes every other path on.
 */
export function health({ live, ready }: HealthChecks, onResult?: HealthObserver): Middleware {
  const whole = new Map<string, { readonly type: Endpoint; readonly checks: readonly HealthCheck[] }>([
    ['/livez', { type: 'livez', checks: live }],
    ['/healthz', { type: 'healthz', checks: live }],
    ['/readyz', { type: 'readyz', checks: [...live, ...ready] }],
  ]);
  const single = new Map<string, HealthCheck>();
  for (const [endpoint, { checks }] of whole)
    for (const check of checks) single.set(`${endpoint}/${check.name}`, check);
  return (request, response, next) => {
    const { classification } = requestState(request);
    const path = classification?.kind === 'other' ? classification.path : '';
    const all = whole.get(path);
    const check = single.get(path);
    if (all !== undefined) answerAll(request, response, all.type, all.checks, onResult);
    else if (check === undefined) next();
    else if (check.check().ok) sendText(request, response, 200, 'ok');
    else sendText(request, response, 500, 'internal server error: reason withheld\n');
  };
}

function answerAll(
  request: Request,
  response: ServerResponse,
  type: Endpoint,
  checks: readonly HealthCheck[],
  onResult: HealthObserver | undefined,
): void {
  const target = requestTarget(request);
  const query = target.includes('?') ? new URLSearchParams(target.slice(target.indexOf('?') + 1)) : undefined;
  const excluded = query && new Set(query.getAll('exclude'));
  let isOk = true;
  let lines = '';
  for (const check of checks) {
    if (excluded?.delete(check.name) === true) {
      lines += `[+]${check.name} excluded: ok\n`;
      continue;
    }
    const result = check.check();
    isOk &&= result.ok;
    lines += lineOf(check.name, result);
    tell('health', onResult, { name: check.name, type, ok: result.ok });
  }
  if (isOk && query?.has('verbose') !== true) sendText(request, response, 200, 'ok');
  else {
    const verdict = `${type} check ${isOk ? 'passed' : 'failed'}\n`;
    sendText(request, response, isOk ? 200 : 500, `${lines}${warningOf(excluded)}${verdict}`);
  }
}

function lineOf(name: string, { ok, remark }: CheckResult): string {
  const note = remark === undefined ? '' : ` (${remark})`;
  return ok ? `[+]${name} ok${note}\n` : `[-]${name} failed: ${remark ?? 'reason withheld'}\n`;
}

function warningOf(unknown: ReadonlySet<string> = new Set()): string {
  if (unknown.size === 0) return '';
  const names = [...unknown].sort().map(goQuote).join(',');
  return `warn: some health checks cannot be excluded: no matches for ${names}\n`;
}
