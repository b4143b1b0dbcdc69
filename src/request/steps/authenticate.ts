import type { Authenticator } from '../../authentication/authenticator.js';
import { authenticatorUnion, type Refusal, type UnionAuthentication } from '../../authentication/union.js';
import { noCredentialsIn, RequestCredentials } from '../credentials.js';
import {
  isAnswered,
  isPassed,
  listenerOf,
  requestState,
  waitingStep,
  type Guard,
  type Middleware,
  type Request,
} from '../middleware.js';
import { sendForbidden, sendInternalError, sendStatus } from '../answer/status.js';
import { aBoolean, checkOptions, namedWith, optional } from '../../option-checks.js';

export interface AuthenticateOptions {
  /** Asked in this order; the first that accepts wins. */
  readonly authenticators: readonly Authenticator[];
  /** Whether a request without credentials goes on as `system:anonymous`. Default false. */
  readonly anonymous?: boolean;
  /** Told of every attempt: no credentials are a failure, bad ones an error. `username`: of a success. */
  readonly onAttempt?: (result: 'success' | 'failure' | 'error', seconds: number, username?: string) => void;
  /** Told why methods refused the credentials of a request that is answered 401. */
  readonly onUnauthenticated?: (refusals: readonly Refusal[]) => void;
}

/** Kubernetes' words (RFC 7234, 5.5). */
const extraSpaceWarning =
  '299 - "the provided Authorization header contains extra space before the bearer token, and is ignored"';

/**
 * Establishes the identity for the next steps; 401 where no method accepts. Each asks its own authenticators, whatever
 * identity another has found. `guard`: whose step it is (`guardSteps`); default: one that stands alone.
 * @throws MetricsFilterOptionError, also where `anonymous` is no boolean: the text `false` must not come to mean true.
 */
export function authenticate(options: AuthenticateOptions, guard?: Guard): Middleware {
  checkOptions(options, { authenticators: namedWith('authenticate'), anonymous: optional(aBoolean) });
  const { authenticators, anonymous = false } = options;
  const listener =
    guard?.listener ??
    listenerOf('authenticate', {
      authentication: ({ result, seconds, username }) => options.onAttempt?.(result, seconds, username),
      unauthenticated: ({ refusals }) => options.onUnauthenticated?.(refusals),
    });
  const union = authenticatorUnion(authenticators, anonymous);
  const step = waitingStep((request, response) => {
    const state = requestState(request);
    if (isPassed(state, guard, step)) return true;
    const started = performance.now();
    const credentials = new RequestCredentials(request);
    const conclude = (result: UnionAuthentication): boolean => {
      const seconds = (performance.now() - started) / 1000;
      if (result.hasExtraSpace === true && !isAnswered(response))
        response.setHeader('Warning', extraSpaceWarning);
      if (result.kind === 'unauthenticated') {
        const { refusals } = result;
        state.identity = undefined;
        state.authenticator = undefined;
        state.refusals = refusals;
        state.verdict = undefined;
        state.noCredentials = refusals.length === 0 ? noCredentialsIn(credentials) : undefined;
        listener({ kind: 'authentication', result: refusals.length > 0 ? 'error' : 'failure', seconds });
        listener({ kind: 'unauthenticated', refusals });
        sendStatus(request, response, 'Unauthorized', 'Unauthorized');
        return false;
      }
      const { identity, authenticator } = result;
      listener({ kind: 'authentication', result: 'success', seconds, username: identity.name });
      state.identity = identity;
      state.identifiedBy = guard;
      state.authenticator = authenticator;
      if (!isImpersonating(request)) return true;
      const reason = 'impersonation is not served';
      state.verdict = { decision: 'deny', reason };
      sendForbidden(request, response, identity.name, 'impersonate here', reason);
      return false;
    };
    const result = union(credentials);
    return result instanceof Promise ? result.then(conclude) : conclude(result);
  }, sendInternalError);
  return step;
}

/** Ignoring these headers would mean acting with more rights than were asked for. */
function isImpersonating({ rawHeaders }: Request): boolean {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (/^impersonate-/i.test(rawHeaders[at] ?? '')) return true;
  }
  return false;
}
