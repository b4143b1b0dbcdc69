import { allowPaths } from '../request/steps/allow-paths.js';
import { frontProxyCheckOf } from '../request/front-proxy.js';
import { ignorePaths } from '../request/steps/ignore-paths.js';
import { sequence, type Middleware } from '../request/middleware.js';
import { refuseInMaintenance } from '../request/steps/refuse-in-maintenance.js';
import { sendStatus } from '../request/answer/status.js';
import { guardSteps } from '../request/guard.js';
import { RefusalTally } from './z-pages/refusal-tally.js';
import { zPagePaths } from './z-pages/z-page.js';
import { health, pingCheck, type HealthCheck } from './health.js';
import { RefusalLog } from './refusal-log.js';
import { requestLimits } from './request-limits.js';
import { pathsOf, servedZPages } from './served-z-pages.js';
import type { ServerOptions } from './server-options.js';
import { version } from './version.js';

/** Everything the server has, behind one guard; whatever else is asked for is 404. */
export function guardedRoutes(options: ServerOptions, readiness: readonly HealthCheck[]): Middleware {
  const { serverKind = 'shard', logger, onAuditEvent } = options;
  const { exposition, authenticators, authorizers, anonymous, scopedEndpoint, telemetry } = options;
  const { alwaysAllowPaths, otherExpositions, onHealthResult, maintenance } = options;
  const { scrapeWriteTimeoutMs, scrapeDeadlineMs } = options;
  const refusalLog = new RefusalLog(logger);
  const refusals = new RefusalTally();
  const steps = guardSteps(
    {
      exposition,
      ...(otherExpositions === undefined ? {} : { otherExpositions }),
      authenticators,
      authorizers,
      serverKind,
      ...(anonymous === undefined ? {} : { anonymous }),
      ...(alwaysAllowPaths === undefined ? {} : { alwaysAllowPaths }),
      ...(scopedEndpoint === undefined ? {} : { scopedEndpoint }),
      ...(scrapeWriteTimeoutMs === undefined ? {} : { scrapeWriteTimeoutMs }),
      ...(scrapeDeadlineMs === undefined ? {} : { scrapeDeadlineMs }),
      ...(telemetry === undefined ? {} : { telemetry }),
      onAuditEvent: (event) => {
        logger.debug({ audit: event }, 'request');
        refusalLog.write(event);
        refusals.count(event);
        onAuditEvent?.(event);
      },
    },
    'all',
    options.zPages === undefined ? [] : zPagePaths,
  );
  const checks = { live: [pingCheck], ready: readiness };
  const limits = requestLimits(
    options.requestLimits ?? {},
    (by) => telemetry?.limitedRequest(by),
    frontProxyCheckOf(authenticators),
  );
  return sequence([
    steps.audit,
    steps.classify,
    ...(options.allowPaths === undefined ? [] : [allowPaths(options.allowPaths)]),
    steps.alwaysAllow,
    ...(options.ignorePaths === undefined
      ? []
      : [ignorePaths(options.ignorePaths, (...decision) => telemetry?.decision(...decision))]),
    ...limits.beforeAuthentication,
    steps.authenticate,
    ...limits.afterAuthentication,
    steps.authorize,
    ...(maintenance === undefined
      ? []
      : [refuseInMaintenance({ maintenance, onRefused: () => telemetry?.refusedInMaintenance() })]),
    steps.serve,
    ...(options.zPages === undefined
      ? []
      : [
          servedZPages(options.zPages, {
            mode: serverKind,
            policy: options.policy,
            authenticators,
            authorizers,
            refusals,
            paths: pathsOf(options, checks),
          }),
        ]),
    health({
      ...checks,
      ...(onHealthResult === undefined ? {} : { onResult: onHealthResult }),
    }),
    ...(serverKind === 'cache-server' ? [version] : []),
    (request, response) => {
      sendStatus(request, response, 'NotFound', 'the server could not find the requested resource');
    },
  ]);
}
