import { openApiClient } from '../../kubernetes/kubeconfig/kubeconfig-client.js';
import { KubeconfigError } from '../../kubernetes/kubeconfig/kubeconfig-error.js';
import { readKubeconfig } from '../../kubernetes/kubeconfig/kubeconfig.js';
import { ReviewClient, type ReviewClientOptions } from '../../kubernetes/reviews/review-client.js';
import { ReviewError } from '../../kubernetes/reviews/review-error.js';
import { tokenReview, type ReviewKind } from '../../kubernetes/reviews/review-kind.js';
import { FilesRead } from '../../files/files-read.js';
import { finding, withoutFileName, type Check, type Finding } from './finding.js';
import { kubeconfigFindings } from './kubeconfig-checks.js';

/** Another server that is asked who somebody is, or what he may do. */
export interface ReviewerToCheck extends Pick<ReviewClientOptions, 'kind' | 'target' | 'version'> {
  /** What findings name: flag and file. */
  readonly subject: string;
  readonly kubeconfig: string;
  /** How long its answer may take (ms). Default 10,000. */
  readonly timeoutMs?: number;
}

/** Asks it a question that lets nobody in. `now` in ms since the epoch. */
export async function reviewerFindings(reviewer: ReviewerToCheck, now: number): Promise<readonly Finding[]> {
  const { subject, kubeconfig: file, kind, timeoutMs = 10_000 } = reviewer;
  const check: Check = kind === tokenReview ? 'authentication' : 'authorization';
  const kubeconfig = await readKubeconfig(file, new FilesRead()).catch(kubeconfigFault);
  // Told of already, by whoever read the flags.
  if (kubeconfig instanceof KubeconfigError) return [];
  const client = await openApiClient({ kubeconfig: file });
  const reviews = new ReviewClient({ ...reviewer, client, timeoutMs });
  const startedAt = performance.now();
  try {
    await reviews.review(harmlessQuestion(kind));
    const ms = Math.ceil(performance.now() - startedAt);
    return [
      ...kubeconfigFindings(subject, kubeconfig, now, check),
      finding('ok', check, subject, `${client.server} answers a ${kind.kind}, within ${ms} ms`),
    ];
  } catch (error) {
    if (!(error instanceof ReviewError)) throw error;
    const message = withoutFileName(error.message, file);
    return [finding('error', check, subject, `${message}: ${adviceFor(error, kind)}`)];
  } finally {
    reviews.close();
    client.close();
  }
}

function harmlessQuestion(kind: ReviewKind): object {
  return kind === tokenReview
    ? { token: 'not-a-token' }
    : { nonResourceAttributes: { path: '/metrics', verb: 'get' }, user: 'system:anonymous' };
}

function adviceFor({ failure }: ReviewError, kind: ReviewKind): string {
  switch (failure) {
    case 'refused':
      return `let this user create ${kind.resource}, as the ClusterRole system:auth-delegator does`;
    case 'malformed':
      return 'look whether it is an API server or a webhook, and which version it speaks';
    case 'unavailable':
    case 'overload':
    case 'outage':
    case 'closed':
      return 'look whether the server runs, and whether its address and certificate-authority are right';
  }
}

function kubeconfigFault(error: unknown): KubeconfigError {
  if (error instanceof KubeconfigError) return error;
  throw error;
}
