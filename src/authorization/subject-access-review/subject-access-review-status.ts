import { oneLine } from '../../outgoing/one-line.js';
import { ReviewFields } from '../../kubernetes/reviews/review-fields.js';
import type { Decision } from '../authorizer.js';

/**
 * What a SubjectAccessReview's `status` decides, frozen. Its reason is one line of at most 512 characters.
 *
 * @throws ReviewError for all that is no such status.
 */
export function parseSubjectAccessReviewStatus(value: unknown): Decision {
  const status = new ReviewFields(value, 'status', ['allowed', 'denied', 'reason', 'evaluationError']);
  const isAllowed = status.boolean('allowed');
  const isDenied = status.boolean('denied');
  const reason = status.string('reason');
  const evaluationError = status.string('evaluationError');
  if (isAllowed && isDenied) return decision('deny', 'the reviewer answered both allowed and denied');
  if (isDenied) return decision('deny', reason);
  if (isAllowed) return decision('allow', reason);
  return decision('no-opinion', [reason, evaluationError].filter((text) => text !== '').join('; '));
}

function decision(kind: Decision['decision'], reason: string): Decision {
  return Object.freeze({ decision: kind, reason: oneLine(reason) });
}
