/** What is asked of a reviewer: an object of this kind, whose `status` is the answer. */
export interface ReviewKind {
  readonly group: string;
  readonly kind: string;
  readonly resource: string;
}

/** Of the versions that Kubernetes' webhooks speak; an API server knows `v1` alone. */
export type ReviewVersion = 'v1' | 'v1beta1';

/** The kind that asks who presents a token, for `ReviewClient`. */
export const tokenReview: ReviewKind = Object.freeze({
  group: 'authentication.k8s.io',
  kind: 'TokenReview',
  resource: 'tokenreviews',
});

/** The kind that asks whether a user may, for `ReviewClient`. */
export const subjectAccessReview: ReviewKind = Object.freeze({
  group: 'authorization.k8s.io',
  kind: 'SubjectAccessReview',
  resource: 'subjectaccessreviews',
});

/** For `apiserver_delegated_authn_request_*` and `…_authz_request_*`. */
export interface ReviewObserver {
  /** Each request: its status, or `<error>` without an answer, and how long that took as a whole. */
  readonly onRequest?: (observation: { readonly code: string; readonly seconds: number }) => void;
  /** Called for each question that is not asked, with the cause. */
  readonly onUnasked?: (why: 'overload' | 'outage') => void;
}
