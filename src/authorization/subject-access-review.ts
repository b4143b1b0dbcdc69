import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Identity } from '../authentication/identity.js';
import { errorClass } from '../error-class.js';
import type { Reviewer } from '../kubernetes/reviews/review-client.js';
import { ReviewFields } from '../kubernetes/reviews/review-fields.js';
import type { ReviewVersion } from '../kubernetes/reviews/review-kind.js';
import { oneLine } from '../documents/one-line.js';
import { isDiscoveryPath, isResourcePath } from '../paths/always-allow.js';
import { actingIdentity, scopesKey } from '../policy/index/effective-identities.js';
import { tell } from '../tell.js';
import { inTime } from '../timer.js';
import { SubjectAccessReviewError } from './authorization-errors.js';
import {
  allow,
  noOpinion,
  resourceRequest,
  type Attributes,
  type Authorizer,
  type Decision,
} from './authorizer.js';
import { ReviewError } from '../kubernetes/kubernetes-errors.js';
import { aFunction, aText, checkOptions, having, optional } from '../option-checks.js';

type SubjectAccessReviewObservation =
  | { readonly result: 'allow' | 'deny' | 'no-opinion'; readonly seconds: number }
  /** The message is one line for the operator's log. */
  | { readonly result: 'error'; readonly message: string; readonly seconds: number };

interface SubjectAccessReviewObserver {
  /** Told of each question: a `miss` waits for a review, a `stale` besides it was answered by an earlier allow. */
  readonly onCache?: (result: 'hit' | 'miss' | 'stale') => void;
  /** Told of each review, however many requests wait for it. */
  readonly onReview?: (observation: SubjectAccessReviewObservation) => void;
}

export interface SubjectAccessReviewOptions {
  /** Asked with `subjectAccessReview` objects. */
  readonly reviewer: Reviewer;
  /** The logical cluster that it is asked about. Default `root`. */
  readonly cluster?: string;
  /** How long an allow is used again (ms). 0: the reviewer is asked every time. Default 10,000. */
  readonly authorizedTtlMs?: number;
  /** The same for a deny, and for no opinion. Default 10,000. */
  readonly unauthorizedTtlMs?: number;
  /** How long beyond that an allow is used where the reviewer does not answer (ms). Default 0: never. */
  readonly staleTtlMs?: number;
  /** How many allows are kept, and how many other decisions. Default 8,192 each. */
  readonly limit?: number;
  /** Milliseconds that only go forward; default performance.now: no allow lives longer because a clock is set back. */
  readonly now?: () => number;
  readonly observer?: SubjectAccessReviewObserver;
}

interface KnownDecision {
  readonly decision: Decision;
  /** On the clock of the options (ms), that moment excluded. */
  readonly validUntil: number;
}

const tooLong: Decision = Object.freeze(noOpinion('not asked: the verb or the path is too long'));
const owner = 'subjectAccessReviewAuthorizer';
const maxVerbLength = 64;
const maxPathLength = 8 * 1024;
/** How long a request that has an earlier allow waits for a reviewer that is failing (ms). */
const staleWaitMs = 100;

/**
 * Asks an API server or a webhook with SubjectAccessReview objects. These name a user as kcp sees them in the logical cluster:
 * to a server that knows no workspaces, service accounts of one name in several would be one user. It throws
 * SubjectAccessReviewError where the reviewer gives no answer and there is no earlier allow to use.
 */
export function subjectAccessReviewAuthorizer(options: SubjectAccessReviewOptions): Authorizer {
  checkOptions(options, {
    reviewer: having('new ReviewClient(options)', 'review'),
    cluster: optional(aText),
    now: optional(aFunction),
  });
  const {
    reviewer,
    cluster = 'root',
    authorizedTtlMs = 10_000,
    unauthorizedTtlMs = 10_000,
    staleTtlMs = 0,
    limit = 8192,
    now = () => performance.now(),
    observer = {},
  } = options;
  const keyOf = questionKeys();
  // Bounded apart: a client that is allowed nothing cannot push out the allows of others by asking for many paths.
  const allows = new LRUCache<string, KnownDecision>({ max: limit });
  const others = new LRUCache<string, KnownDecision>({ max: limit });
  const underWay = new Map<string, Promise<Decision>>();

  async function review(key: string, attributes: Attributes): Promise<Decision> {
    const startedAt = performance.now();
    const seconds = (): number => (performance.now() - startedAt) / 1000;
    try {
      const spec = specOf(attributes, cluster, reviewer.version);
      const decision = decisionOf(await reviewer.review(spec, { isKnown: allows.has(key) }));
      const isAllow = decision.decision === 'allow';
      (isAllow ? others : allows).delete(key);
      const validUntil = now() + (isAllow ? authorizedTtlMs : unauthorizedTtlMs);
      (isAllow ? allows : others).set(key, { decision, validUntil });
      tell(owner, observer.onReview, { result: decision.decision, seconds: seconds() });
      return decision;
    } catch (error) {
      const message = error instanceof ReviewError ? error.message : errorClass(error);
      tell(owner, observer.onReview, { result: 'error', message, seconds: seconds() });
      throw new SubjectAccessReviewError(message);
    }
  }

  /** The last answer, where it was an allow that may still be used instead of the next. */
  function staleAllow(key: string): KnownDecision | undefined {
    const known = allows.get(key);
    return known !== undefined && now() < known.validUntil + staleTtlMs ? known : undefined;
  }

  function instead(key: string): Decision | undefined {
    const stale = staleAllow(key);
    if (stale === undefined) return undefined;
    tell(owner, observer.onCache, 'stale');
    const { reason } = stale.decision;
    const why = `stale for ${Math.round((now() - stale.validUntil) / 1000)}s, the reviewer does not answer`;
    return allow(reason === '' ? why : `${why}: ${reason}`);
  }

  async function decide(key: string, attributes: Attributes): Promise<Decision> {
    const mayWait = staleAllow(key) === undefined || !reviewer.isFailing;
    // One review, however many requests ask the same meanwhile.
    const answer = underWay.get(key) ?? review(key, attributes).finally(() => underWay.delete(key));
    underWay.set(key, answer);
    try {
      // A review that is not waited for goes on: its answer holds for the next request.
      const decision = await (mayWait ? answer : inTime(answer, staleWaitMs));
      if (decision !== 'timeout') return decision;
    } catch (error) {
      const decision = instead(key);
      if (decision === undefined) throw error;
      return decision;
    }
    return instead(key) ?? answer;
  }

  return {
    name: 'Webhook',
    authorize(attributes) {
      const { verb, path, isOfGateway = false } = attributes;
      if (verb.length > maxVerbLength || path.length > maxPathLength) return tooLong;
      // A server that is asked about it as a non-resource path would decide by the rules for those, and let everybody discover.
      if (isResourcePath(path) || (isOfGateway && isDiscoveryPath(path))) return resourceRequest;
      const key = keyOf(attributes);
      const known = allows.get(key) ?? others.get(key);
      const isValid = known !== undefined && now() < known.validUntil;
      tell(owner, observer.onCache, isValid ? 'hit' : 'miss');
      return isValid ? known.decision : decide(key, attributes);
    },
  };
}

/** Two questions have the same key if all that is asked is the same. */
function questionKeys(): (attributes: Attributes) => string {
  // An identity is the same object for as long as the credentials are.
  const subjects = new WeakMap<Identity, string>();
  return ({ identity, verb, path }) => {
    let subject = subjects.get(identity);
    if (subject === undefined) {
      const { name, uid = '', groups, extra } = identity;
      const sorted = Object.entries(extra).sort(([one], [other]) => (one < other ? -1 : 1));
      subject = hash('sha256', JSON.stringify([name, uid, groups, sorted]));
      subjects.set(identity, subject);
    }
    return hash('sha256', `${subject} ${verb.length} ${verb}${path}`);
  };
}

/** The `spec` of a SubjectAccessReview; `undefined` members are left out of its JSON. */
function specOf({ identity, verb, path }: Attributes, cluster: string, version: ReviewVersion): object {
  const acting = actingIdentity(identity, cluster);
  const { name, groups } = acting;
  const isItself = acting === identity;
  const uid = isItself ? identity.uid : undefined;
  // The other name has its scopes behind it: with them, a kcp would take it for one of anonymous.
  const entries = Object.entries(identity.extra).filter(([key]) => isItself || key !== scopesKey);
  const extra = Object.fromEntries(entries);
  return {
    nonResourceAttributes: { path, verb },
    user: name,
    uid,
    // v1 has corrected the name.
    [version === 'v1beta1' ? 'group' : 'groups']: groups.length === 0 ? undefined : groups,
    extra: Object.keys(extra).length === 0 ? undefined : extra,
  };
}

/** What a `status` decides; its reason is one line of at most 512 characters. @throws ReviewError for anything else. */
function decisionOf(value: unknown): Decision {
  const status = new ReviewFields(value, 'status', ['allowed', 'denied', 'reason', 'evaluationError']);
  const isAllowed = status.boolean('allowed');
  const isDenied = status.boolean('denied');
  const reason = status.string('reason');
  const evaluationError = status.string('evaluationError');
  const decided = (decision: Decision['decision'], why: string): Decision =>
    Object.freeze({ decision, reason: oneLine(why) });
  if (isAllowed && isDenied) return decided('deny', 'the reviewer answered both allowed and denied');
  if (isDenied) return decided('deny', reason);
  if (isAllowed) return decided('allow', reason);
  return decided('no-opinion', [reason, evaluationError].filter((text) => text !== '').join('; '));
}
