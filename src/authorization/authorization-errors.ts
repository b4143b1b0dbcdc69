import { codedError } from '../coded-error.js';

/** No decision can be made on the policy now; the client should come back later (503). */
export class PolicyUnavailableError extends codedError('PolicyUnavailableError', 'ERR_POLICY_UNAVAILABLE') {}

/** The reviewer gave no answer, and no other authorizer had decided. The message is one line for the operator. */
export class SubjectAccessReviewError extends codedError(
  'SubjectAccessReviewError',
  'ERR_SUBJECT_ACCESS_REVIEW',
) {}
