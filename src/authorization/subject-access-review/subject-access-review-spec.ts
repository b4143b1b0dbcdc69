import { hash } from 'node:crypto';
import type { ReviewVersion } from '../../kubernetes/reviews/review-kind.js';
import type { Identity } from '../../authentication/identity.js';
import type { Attributes } from '../authorizer.js';

/** The `spec` of a SubjectAccessReview: may this identity do this to a path that is no resource? */
export function subjectAccessReviewSpec(
  { identity, verb, path }: Attributes,
  version: ReviewVersion,
): object {
  const { name, uid, groups, extra } = identity;
  return {
    nonResourceAttributes: { path, verb },
    user: name,
    ...(uid === undefined ? {} : { uid }),
    // v1 has corrected the name.
    ...(groups.length === 0 ? {} : version === 'v1beta1' ? { group: groups } : { groups }),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

/** Names questions: two have one key if all that is asked is the same. */
export class QuestionKeys {
  /** An identity is the same object for as long as the credentials are. */
  readonly #byIdentity = new WeakMap<Identity, string>();

  of({ identity, verb, path }: Attributes): string {
    let subject = this.#byIdentity.get(identity);
    if (subject === undefined) {
      subject = subjectKey(identity);
      this.#byIdentity.set(identity, subject);
    }
    return hash('sha256', `${subject} ${verb.length} ${verb}${path}`);
  }
}

function subjectKey({ name, uid, groups, extra }: Identity): string {
  const sorted = Object.entries(extra).sort(([one], [other]) => (one < other ? -1 : 1));
  return hash('sha256', JSON.stringify([name, uid ?? '', groups, sorted]));
}
