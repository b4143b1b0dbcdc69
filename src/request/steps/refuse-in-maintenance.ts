import type { Identity } from '../../authentication/identity.js';
import { tell, type Middleware } from '../middleware.js';
import { requestState } from '../request-state.js';
import { sendStatus } from '../answer/status.js';

/** Whose scrapes are refused for now. */
export type Maintenance =
  | { readonly kind: 'nobody' }
  | { readonly kind: 'everybody' }
  | {
      readonly kind: 'some';
      /** By their names. */
      readonly users: ReadonlySet<string>;
      readonly groups: ReadonlySet<string>;
    };

export interface RefuseInMaintenanceOptions {
  /** Looked at for each scrape. */
  readonly maintenance: { readonly current: Maintenance };
  /** Told of every scrape that is answered 503. */
  readonly onRefused?: () => void;
}

const retryAfterSeconds = '30';

/**
 * Answers 503 to scrapes of those whom maintenance concerns; health and all other paths are served on. Stands behind
 * authorization: who may not scrape is told so as ever, and learns nothing else.
 */
export function refuseInMaintenance({
  maintenance,
  onRefused = () => undefined,
}: RefuseInMaintenanceOptions): Middleware {
  return (request, response, next) => {
    const state = requestState(request);
    const isScrape = state.classification?.kind === 'shard-level';
    if (!isScrape || !concerns(maintenance.current, state.identity)) {
      next();
      return;
    }
    state.rejected = 'maintenance';
    tell(onRefused);
    sendStatus(request, response, 'ServiceUnavailable', 'metrics are not served during maintenance', {
      'Retry-After': retryAfterSeconds,
    });
  };
}

/** Without an identity, as on a path that is always allowed, nobody is among those named. */
function concerns(maintenance: Maintenance, identity: Identity | undefined): boolean {
  switch (maintenance.kind) {
    case 'nobody':
      return false;
    case 'everybody':
      return true;
    case 'some':
      return (
        identity !== undefined &&
        (maintenance.users.has(identity.name) ||
          identity.groups.some((group) => maintenance.groups.has(group)))
      );
    default:
      // What the types do not allow is never taken for leave to serve.
      return true;
  }
}
