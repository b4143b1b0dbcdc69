import type { Authenticator } from '../../authentication/authenticator.js';
import { authenticatorUnion, type Refusal } from '../../authentication/union.js';
import { credentialsOf, noCredentialsIn } from '../credentials.js';
import { isAnswered, tell, waitingStep, type Middleware, type Request } from '../middleware.js';
import { isPassed, requestState, type Guard } from '../request-state.js';
import { sendForbidden, sendInternalError, sendStatus } from '../answer/status.js';

export interface AuthenticateOptions {
  /** Asked in this order; the first that accepts wins. */
  readonly authenticators: readonly Authenticator[];
  /** Whether a request without credentials goes on as `system:anonymous`. Default false. */
  readonly anonymous?: boolean;
  /**
   * Told of every attempt, as Kubernetes counts them: without credentials it is a failure, with bad ones an error.
   * `username`: of a success.
   */
  readonly onAttempt?: (result: 'success' | 'failure' | 'error', seconds: number, username?: string) => void;
  /** Told what methods had against the credentials of a request that is answered 401. */
  readonly onRefused?: (refusals: readonly Refusal[]) => void;
}

/** Kubernetes' words (RFC 7234, 5.5). */
const extraSpaceWarning =
  '299 - "the provided Authorization header contains extra space before the bearer token, and is ignored"';

/**
 * Finds out who sends the request and notes it for the next steps; 401 when nobody can tell. Each asks its own
 * authenticators, whoever another has found. `guard`: whose step it is (`guardSteps`); default: one that stands alone.
 *
 * @throws TypeError where `anonymous` is no boolean: the text `false` must not come to mean true.
 */
export function authenticate(
  {
    authenticators,
    anonymous = false,
    onAttempt = () => undefined,
    onRefused = () => undefined,
  }: AuthenticateOptions,
  guard?: Guard,
): Middleware {
  if (typeof anonymous !== 'boolean') throw new TypeError('anonymous: pass true or false');
  const union = authenticatorUnion({ authenticators, anonymous });
  const step = waitingStep(async (request, response) => {
    const state = requestState(request);
    if (isPassed(state, guard, step)) return true;
    const started = performance.now();
    const credentials = credentialsOf(request);
    const result = await union(credentials);
    const seconds = (performance.now() - started) / 1000;
    tell(() => {
      if (result.kind === 'authenticated') onAttempt('success', seconds, result.identity.name);
      else onAttempt(result.refusals.length > 0 ? 'error' : 'failure', seconds);
    });
    if (result.hasExtraSpace === true && !isAnswered(response))
      response.setHeader('Warning', extraSpaceWarning);
    if (result.kind === 'unauthenticated') {
      const { refusals } = result;
      state.identity = undefined;
      state.authenticator = undefined;
      state.refusals = refusals;
      state.verdict = undefined;
      state.noCredentials = refusals.length === 0 ? noCredentialsIn(credentials) : undefined;
      tell(() => {
        onRefused(refusals);
      });
      sendStatus(request, response, 'Unauthorized', 'Unauthorized');
      return false;
    }
    state.identity = result.identity;
    state.identifiedBy = guard;
    state.authenticator = result.authenticator;
    if (!isImpersonating(request)) return true;
    state.verdict = { decision: 'deny', reason: 'impersonation is not served' };
    const { reason } = state.verdict;
    sendForbidden(request, response, result.identity.name, 'impersonate here', reason);
    return false;
  }, sendInternalError);
  return step;
}

const impersonation = /^impersonate-/i;

/** To ignore the headers would be to act with more rights than were asked for. */
function isImpersonating(request: Request): boolean {
  const { rawHeaders } = request;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (impersonation.test(rawHeaders[at] ?? '')) return true;
  }
  return false;
}
