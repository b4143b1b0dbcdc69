import type { Attributes, Authorizer, Decision } from './authorizer.js';

/** What came of asking all, and who said it; nobody when none had an opinion. */
export interface Verdict extends Decision {
  readonly authorizer?: string;
}

/** What the union tells whoever counts: one call for each authorizer that was asked. */
export type DecisionObserver = (authorizer: string, decision: Decision['decision'] | 'error') => void;

/**
 * Asks one authorizer after another; the first opinion wins, and without one nothing is allowed. A failing
 * authorizer does not keep the next from being asked, but where nobody decides its error is thrown: that
 * answer is not a refusal, it is unknown.
 */
export function authorizerUnion(
  authorizers: readonly Authorizer[],
  observe: DecisionObserver = () => undefined,
): (attributes: Attributes) => Promise<Verdict> {
  return async (attributes) => {
    const reasons: string[] = [];
    const errors: unknown[] = [];
    for (const authorizer of authorizers) {
      const { name } = authorizer;
      try {
        const { decision, reason } = await authorizer.authorize(attributes);
        observe(name, decision);
        if (decision === 'allow' || decision === 'deny') return { decision, reason, authorizer: name };
        if (reason !== '') reasons.push(reason);
      } catch (error) {
        observe(name, 'error');
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
    return { decision: 'no-opinion', reason: reasons.join('; ') };
  };
}
