import type { RequestObservation } from '../../kubernetes/api-client.js';
import { openApiClient } from '../../kubernetes/kubeconfig/kubeconfig-client.js';
import { ReviewClient, type ReviewClientOptions } from '../../kubernetes/reviews/review-client.js';
import type { ReviewKind, ReviewVersion, ReviewObserver } from '../../kubernetes/reviews/review-kind.js';
import { parseChoice } from '../flag-values.js';
import { isGiven, valueOf, type Flag, type FlagValues } from '../flags.js';
import type { Opened } from '../opened.js';
import { UsageError, usageError } from '../usage-error.js';

/** The two flags that name a reviewer, of which one may be given. */
export interface ReviewerFlags {
  /** An API server, asked below `/apis`. */
  readonly kubeconfig: Flag;
  /** A webhook, asked at its kubeconfig's URL itself. */
  readonly webhook: Flag;
  /** Which version of the API the webhook speaks; an API server speaks `v1`. */
  readonly version: Flag;
}

export interface ReviewerEvents extends ReviewObserver {
  readonly onWarning: (message: string) => void;
  readonly onApiRequest: (observation: RequestObservation) => void;
}

/** What a webhook may speak. */
export const reviewVersions: readonly ReviewVersion[] = ['v1', 'v1beta1'];

/** Which flag names the reviewer, if one does. @throws UsageError where both do. */
export function reviewerFlagOf(values: FlagValues, { kubeconfig, webhook }: ReviewerFlags): Flag | undefined {
  if (!isGiven(values, webhook)) return isGiven(values, kubeconfig) ? kubeconfig : undefined;
  if (isGiven(values, kubeconfig)) {
    throw new UsageError(`${webhook.name}: cannot stand beside ${kubeconfig.name}`);
  }
  return webhook;
}

/** @throws UsageError naming the flag. */
export function reviewVersionOf(values: FlagValues, { version }: ReviewerFlags): ReviewVersion {
  return parseChoice(version.name, valueOf(values, version) ?? '', reviewVersions);
}

/** Nothing is asked yet. @throws UsageError naming the flag. */
export async function openReviewer(
  values: FlagValues,
  flags: ReviewerFlags,
  kind: ReviewKind,
  events: ReviewerEvents,
  opened: Opened,
): Promise<ReviewClient | undefined> {
  const flag = reviewerFlagOf(values, flags);
  const version = reviewVersionOf(values, flags);
  if (isGiven(values, flags.version) && flag !== flags.webhook) {
    throw new UsageError(`${flags.version.name}: needs ${flags.webhook.name}`);
  }
  if (flag === undefined) return undefined;
  const target: ReviewClientOptions['target'] = flag === flags.webhook ? 'webhook' : 'api-server';
  try {
    const client = opened.add(
      await openApiClient({
        kubeconfig: valueOf(values, flag) ?? '',
        onWarning: events.onWarning,
        onRequest: events.onApiRequest,
      }),
    );
    return opened.add(new ReviewClient({ client, kind, target, version, observer: events }));
  } catch (error) {
    throw usageError(flag.name, error);
  }
}
