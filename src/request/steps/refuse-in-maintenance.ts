import type { Identity } from '../../authentication/identity.js';
import { asRootNames, nameAmongAll } from '../../authorization/authorizer.js';
import { isGuarded, isOfMetrics } from '../../paths/classify.js';
import { sendStatus } from '../answer/status.js';
import { listenerOf, requestState, type Guard, type Middleware } from '../middleware.js';
import { anObject, checkOptions } from '../../option-checks.js';

/** Whose scrapes are refused for now. */
export type Maintenance =
  | { readonly kind: 'nobody' }
  | { readonly kind: 'everybody' }
  | {
      readonly kind: 'some';
      /** A service account of another workspace than root by kcp's name for it: `system:kcp:serviceaccount:<cluster>:…`. */
      readonly users: ReadonlySet<string>;
      readonly groups: ReadonlySet<string>;
    };

export interface RefuseInMaintenanceOptions {
  /** Looked at for each scrape. */
  readonly maintenance: { readonly current: Maintenance };
  /** Told of every scrape that is answered 503. */
  readonly onRefused?: () => void;
}

/**
 * Answers 503 to scrapes of those whom maintenance concerns, and to what they send to a backend; health and all other
 * paths are served on. Stands behind authorization: a client that may not scrape is told so as ever, and learns nothing
 * else.
 */
export function refuseInMaintenance(options: RefuseInMaintenanceOptions, guard?: Guard): Middleware {
  checkOptions(options, { maintenance: anObject('{ current }', 'current') });
  const listener =
    guard?.listener ??
    listenerOf('refuseInMaintenance', { 'refused-in-maintenance': () => options.onRefused?.() });
  return (request, response, next) => {
    const state = requestState(request);
    if (!isGuarded(state.classification) || !concerns(options.maintenance.current, state.identity)) {
      next();
      return;
    }
    state.rejected = 'maintenance';
    listener({ kind: 'refused-in-maintenance' });
    const what = isOfMetrics(state.classification) ? 'metrics are' : 'this path is';
    sendStatus(request, response, 'ServiceUnavailable', `${what} not served during maintenance`, {
      'Retry-After': '30',
    });
  };
}

/**
 * Without an identity, as on a path that is always allowed, a client is not among those named. Names are those of the
 * root workspace: other workspaces have service accounts of the same names.
 */
function concerns(maintenance: Maintenance, identity: Identity | undefined): boolean {
  if (maintenance.kind === 'nobody') return false;
  // A value outside the types refuses every client, too.
  if (maintenance.kind !== 'some') return true;
  if (identity === undefined) return false;
  const { users, groups } = maintenance;
  const inRoot = asRootNames(identity);
  return (
    users.has(inRoot.name) ||
    users.has(nameAmongAll(identity)) ||
    inRoot.groups.some((one) => groups.has(one))
  );
}
