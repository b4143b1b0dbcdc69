import type { Middleware } from '../request/middleware.js';
import { requestState } from '../request/request-state.js';
import { requestTarget, tell } from '../request/middleware.js';
import { sendText } from '../request/answer/status.js';
import { goQuote } from '../paths/request-target.js';

/** The state of one check. The remark is shown to everybody who may read health: it names nothing. */
export interface CheckResult {
  readonly ok: boolean;
  readonly remark?: string;
}

export interface HealthCheck {
  /** As in `/readyz/<name>`. */
  readonly name: string;
  check(): CheckResult;
}

export interface HealthOptions {
  /** Whether the process is to be left running: `/livez` and `/healthz`. */
  readonly live: readonly HealthCheck[];
  /** Whether it is to be sent requests: `/readyz`, beside those of `live`. */
  readonly ready: readonly HealthCheck[];
  /** Told of the result of every check that an endpoint runs; not of one that is asked for alone. Default: nobody. */
  readonly onResult?: HealthObserver;
}

export type HealthEndpoint = 'livez' | 'healthz' | 'readyz';
export type HealthObserver = (result: {
  readonly name: string;
  readonly type: HealthEndpoint;
  readonly ok: boolean;
}) => void;

/** Says no more than that the process answers. */
export const pingCheck: HealthCheck = { name: 'ping', check: () => ({ ok: true }) };

/**
 * `/livez`, `/readyz` and `/healthz` with kubernetes' texts: `ok`, every check with `?verbose`, without some
 * with `?exclude=<name>`, one alone as `/readyz/<name>`. Passes every other path on.
 */
export function health({ live, ready, onResult = () => undefined }: HealthOptions): Middleware {
  const endpoints = new Map<
    string,
    { readonly type: HealthEndpoint; readonly checks: readonly HealthCheck[] }
  >([
    ['livez', { type: 'livez', checks: live }],
    ['healthz', { type: 'healthz', checks: live }],
    ['readyz', { type: 'readyz', checks: [...live, ...ready] }],
  ]);
  return (request, response, next) => {
    const { classification } = requestState(request);
    const path = classification?.kind === 'other' ? classification.path : '';
    const [, endpoint = '', name, ...deeper] = path.split('/');
    const known = endpoints.get(endpoint);
    if (known === undefined || deeper.length > 0) {
      next();
      return;
    }
    const { type, checks } = known;
    if (name !== undefined) {
      const check = checks.find((candidate) => candidate.name === name);
      if (check === undefined) next();
      else if (check.check().ok) sendText(request, response, 200, 'ok');
      else sendText(request, response, 500, 'internal server error: reason withheld\n');
      return;
    }
    const query = new URLSearchParams(/\?(.*)$/s.exec(requestTarget(request))?.[1] ?? '');
    const excluded = new Set(query.getAll('exclude'));
    let isOk = true;
    let lines = '';
    for (const check of checks) {
      if (excluded.delete(check.name)) {
        lines += `[+]${check.name} excluded: ok\n`;
        continue;
      }
      const result = check.check();
      isOk &&= result.ok;
      lines += describe(check.name, result);
      tell(() => {
        onResult({ name: check.name, type, ok: result.ok });
      });
    }
    if (isOk && !query.has('verbose')) sendText(request, response, 200, 'ok');
    else {
      const verdict = `${endpoint} check ${isOk ? 'passed' : 'failed'}\n`;
      sendText(request, response, isOk ? 200 : 500, `${lines}${warningOf(excluded)}${verdict}`);
    }
  };
}

function warningOf(unknown: ReadonlySet<string>): string {
  if (unknown.size === 0) return '';
  const names = [...unknown].sort().map(goQuote).join(',');
  return `warn: some health checks cannot be excluded: no matches for ${names}\n`;
}

function describe(name: string, { ok, remark }: CheckResult): string {
  const note = remark === undefined ? '' : ` (${remark})`;
  return ok ? `[+]${name} ok${note}\n` : `[-]${name} failed: ${remark ?? 'reason withheld'}\n`;
}
