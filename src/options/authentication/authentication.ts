import type { Authenticator } from '../../authentication/authenticator.js';
import type { ServerKind } from '../../paths/classify.js';
import { parseBoolean } from '../flag-values.js';
import { booleanOf, type Flag, type FlagTopic, type FlagValues } from '../flags.js';
import { FollowedFlagFiles } from '../followed-flag-files.js';
import { Opened } from '../opened.js';
import type { AuthenticationContext, AuthenticationEvents } from './authentication-context.js';
import { certificateFlags, clientCertificateOf, requestHeaderOf } from './certificate-flags.js';
import { oidcFlags, oidcOf } from './oidc-flags.js';
import { serviceAccountFlags, serviceAccountOf } from './service-account-flags.js';
import { tokenAuthFile, tokenFileOf } from './token-file-flags.js';
import { tokenReviewFlags, tokenReviewOf } from './token-review-flags.js';
import type { ExpiringCertificate } from '../../telemetry/server-metrics.js';

const anonymousAuth: Flag = {
  name: '--anonymous-auth',
  default: 'true',
  description: 'whether a request without credentials is system:anonymous rather than 401',
};

/** Who is known, and how. */
export const authenticationTopics: readonly FlagTopic[] = [
  { heading: 'Authentication: certificates and front proxies', flags: certificateFlags },
  { heading: 'Authentication: tokens in a file, and nobody', flags: [tokenAuthFile, anonymousAuth] },
  { heading: 'Authentication: service accounts', flags: serviceAccountFlags },
  { heading: 'Authentication: OpenID', flags: oidcFlags },
  { heading: 'Authentication: another server is asked', flags: tokenReviewFlags },
];

export interface OpenAuthentication {
  /** In Kubernetes' order. */
  readonly authenticators: readonly Authenticator[];
  readonly anonymous: boolean;
  /** Whether some method looks at client certificates. */
  readonly requestCertificates: boolean;
  /** The authorities that expire. */
  readonly certificates: readonly ExpiringCertificate[];
  /** Ends what is followed and asked in the background. */
  close(): Promise<void>;
}

/** Reads all that the flags name, and follows it. @throws UsageError naming the flag; then nothing is left open. */
export async function openAuthentication(
  values: FlagValues,
  serverKind: ServerKind,
  events: AuthenticationEvents,
): Promise<OpenAuthentication> {
  const opened = new Opened();
  const files = opened.add(new FollowedFlagFiles(events.onReload, events.onFollowed));
  const context: AuthenticationContext = { files, events, opened };
  try {
    const anonymous = parseBoolean(anonymousAuth.name, booleanOf(values, anonymousAuth));
    const requestHeader = await requestHeaderOf(values, context);
    const clientCertificate = await clientCertificateOf(values, context, serverKind);
    const authenticators = [
      requestHeader,
      clientCertificate,
      await tokenFileOf(values, context),
      await serviceAccountOf(values, context),
      await oidcOf(values, context),
      await tokenReviewOf(values, context),
    ];
    return {
      authenticators: authenticators.filter((one) => one !== undefined),
      anonymous,
      requestCertificates: requestHeader !== undefined || clientCertificate !== undefined,
      certificates: files.certificates,
      close: () => opened.close(),
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}
