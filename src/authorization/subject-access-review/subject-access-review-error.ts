/**
 * The reviewer gave no answer, and nobody else had decided. The message is one line for the operator; a client is told
 * the class alone.
 */
export class SubjectAccessReviewError extends Error {
  override readonly name = 'SubjectAccessReviewError';
  readonly code = 'ERR_SUBJECT_ACCESS_REVIEW';
}
