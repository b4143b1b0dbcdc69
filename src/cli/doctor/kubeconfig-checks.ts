import type { GivenOptions } from '../../options/option.js';
import { accessReviewerOf, tokenReviewerOf, type Reviewer } from '../../options/reviewer-options.js';
import { FilesRead } from '../../files/files-read.js';
import { openApiClient } from '../../kubernetes/kubeconfig/kubeconfig-client.js';
import { KubeconfigError, ReviewError } from '../../kubernetes/kubernetes-errors.js';
import { readKubeconfig, type Kubeconfig } from '../../kubernetes/kubeconfig/kubeconfig.js';
import type { KubeconfigUser } from '../../kubernetes/kubeconfig/kubeconfig-user.js';
import { ReviewClient, type ReviewClientOptions } from '../../kubernetes/reviews/review-client.js';
import { subjectAccessReview, tokenReview, type ReviewKind } from '../../kubernetes/reviews/review-kind.js';
import { pemCertificates, validityOf, type PlacedCertificate } from './certificate-health.js';
import { about, those, withoutSubject, type Finding } from './finding.js';

/** Checks the connection settings in a readable kubeconfig. `now` in ms since the epoch. */
export function kubeconfigFindings(at: ReturnType<typeof about>, { cluster, user }: Kubeconfig, now: number) {
  const faults = those(
    [
      cluster.insecureSkipTlsVerify,
      'insecure-skip-tls-verify lets a man in the middle decide who may scrape: set certificate-authority instead',
    ],
    [
      user.clientCertificate === undefined && user.credentials.kind === 'none',
      'has no credentials: its requests are anonymous',
    ],
  );
  const own = pemCertificates(user.clientCertificate?.certificate ?? '').slice(0, 1);
  return [
    ...faults.map((message) => at('warning', message)),
    ...lapses(own, now).map(({ level, words }) => at(level, `its client certificate ${words}`)),
    ...lapses(pemCertificates(cluster.authorities ?? ''), now).map(({ words }) =>
      at('warning', `its certificate-authority has certificate ${words}`),
    ),
  ];
}

function lapses(certificates: readonly PlacedCertificate[], now: number) {
  return certificates.flatMap(({ certificate }) => {
    if (certificate === undefined) return [];
    const { level, words } = validityOf(certificate, now);
    return level === 'ok' ? [] : [{ level, words: `${certificate.title} ${words}` }];
  });
}

const credentialNames = { none: [], token: ['a token'], basic: ['a password'], exec: ['an exec plugin'] };

/** The kinds of credentials, without their values: `client certificate "CN=reader" and a token`. */
export function credentialsOf({ clientCertificate, credentials, impersonatedUser }: KubeconfigUser): string {
  const [leaf] = pemCertificates(clientCertificate?.certificate ?? '');
  const title = leaf?.certificate?.title ?? '';
  const methods = [
    ...(clientCertificate === undefined ? [] : [`client certificate ${title}`.trim()]),
    ...credentialNames[credentials.kind],
  ];
  const as = impersonatedUser === undefined ? '' : `, as ${JSON.stringify(impersonatedUser)}`;
  return `${methods.length === 0 ? 'no credentials' : methods.join(' and ')}${as}`;
}

/** Asks the review servers that start would use, concurrently. `now` in ms since the epoch. */
export async function reviewersFindings(usable: GivenOptions, now: number): Promise<readonly Finding[]> {
  const findingsOf = async (kind: ReviewKind, reviewer: Reviewer | undefined) => {
    if (reviewer === undefined) return [];
    const subject = `${reviewer.option.name} ${reviewer.kubeconfig}`;
    return reviewerFindings({ ...reviewer, kind, subject }, now);
  };
  const found = await Promise.all([
    findingsOf(tokenReview, tokenReviewerOf(usable)),
    findingsOf(subjectAccessReview, accessReviewerOf(usable)),
  ]);
  return found.flat();
}

interface ReviewerToCheck extends Pick<ReviewClientOptions, 'kind' | 'target' | 'version'> {
  readonly subject: string;
  readonly kubeconfig: string;
  /** How long its answer may take (ms). Default 10,000. */
  readonly timeoutMs?: number;
}

/** Sends it a review that grants nothing. `now` in ms since the epoch. */
export async function reviewerFindings(reviewer: ReviewerToCheck, now: number): Promise<readonly Finding[]> {
  const { subject, kubeconfig: file, kind, timeoutMs = 10_000 } = reviewer;
  const isOfTokens = kind === tokenReview;
  const at = about(isOfTokens ? 'authentication' : 'authorization', subject);
  let kubeconfig: Kubeconfig;
  try {
    kubeconfig = await readKubeconfig(file, new FilesRead());
  } catch (error) {
    // Already reported for the flag.
    if (error instanceof KubeconfigError) return [];
    throw error;
  }
  const client = await openApiClient({ kubeconfig: file });
  const reviews = new ReviewClient({ ...reviewer, client, timeoutMs });
  const startedAt = performance.now();
  try {
    await reviews.review(
      isOfTokens
        ? { token: 'not-a-token' }
        : { nonResourceAttributes: { path: '/metrics', verb: 'get' }, user: 'system:anonymous' },
    );
    const ms = Math.ceil(performance.now() - startedAt);
    return [
      ...kubeconfigFindings(at, kubeconfig, now),
      at('ok', `${client.server} answers a ${kind.kind} in ${ms} ms`),
    ];
  } catch (error) {
    if (!(error instanceof ReviewError)) throw error;
    return [at('error', `${withoutSubject(error.message, file)}: ${adviceFor(error, kind)}`)];
  } finally {
    reviews.close();
    client.close();
  }
}

function adviceFor({ failure }: ReviewError, kind: ReviewKind): string {
  if (failure === 'refused') {
    return `let this user create ${kind.resource}, as the ClusterRole system:auth-delegator does`;
  }
  return failure === 'malformed'
    ? 'check that it is an API server or webhook, and which version it supports'
    : 'check that the server runs, and that its address and certificate-authority are correct';
}
