/** Of each request to a reviewer, for `apiserver_delegated_authn_request_*` and `…_authz_request_*`. */
export interface ReviewRequestObservation {
  /** The status, or `<error>` where none came. */
  readonly code: string;
  /** Until the answer had come as a whole. */
  readonly seconds: number;
}

export interface ReviewObserver {
  readonly onRequest?: (observation: ReviewRequestObservation) => void;
  /** Told of each question that is not asked, and why. */
  readonly onUnasked?: (why: 'overload' | 'outage') => void;
}

/** Whoever listens cannot change an answer. */
export function tellObserver(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    const name = error instanceof Error ? error.name : typeof error;
    process.emitWarning(`an observer of reviews failed with ${name}`);
  }
}
