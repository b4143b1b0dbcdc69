import type { Authenticator } from '../authentication/authenticator.js';
import { authenticatorUnion, type Refusal } from '../authentication/union.js';
import { goQuote } from '../paths/go-quote.js';
import { credentialsOf } from './credentials.js';
import { tell, waitingStep, type Middleware, type Request } from './middleware.js';
import { isPassed, requestState, type Guard } from './request-state.js';
import { sendInternalError, sendStatus } from './status.js';

export interface AuthenticateOptions {
  /** Asked in this order; the first that accepts wins. */
  readonly authenticators: readonly Authenticator[];
  /** Whether a request without credentials goes on as `system:anonymous`. Default false. */
  readonly anonymous?: boolean;
  /** Told of every attempt. */
  readonly onAttempt?: (result: 'success' | 'failure', seconds: number) => void;
  /** Told what methods had against the credentials of a request that is answered 401. */
  readonly onRefused?: (refusals: readonly Refusal[]) => void;
}

/**
 * Finds out who sends the request and notes it for the next steps; 401 when nobody can tell. Each asks its own
 * authenticators, whoever another has found. `guard`: whose step it is (`guardSteps`); default: one that stands alone.
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
  const union = authenticatorUnion({ authenticators, anonymous });
  return waitingStep(async (request, response) => {
    const state = requestState(request);
    if (isPassed(state, guard)) return true;
    const started = performance.now();
    const result = await union(credentialsOf(request));
    const seconds = (performance.now() - started) / 1000;
    tell(() => {
      onAttempt(result.kind === 'authenticated' ? 'success' : 'failure', seconds);
    });
    if (result.kind === 'unauthenticated') {
      const { refusals } = result;
      state.refusals = refusals;
      state.verdict = undefined;
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
    const user = goQuote(result.identity.name);
    const message = `forbidden: User ${user} cannot impersonate here: impersonation is not served`;
    sendStatus(request, response, 'Forbidden', message);
    return false;
  }, sendInternalError);
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
