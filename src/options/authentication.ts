import type { Authenticator } from '../authentication/authenticator.js';
import type { ServerKind } from '../paths/classify.js';
import type { ExpiringCertificate } from '../telemetry/server-metrics.js';
import type { AuthenticationContext, AuthenticationEvents } from './authentication-context.js';
import { openClientCertificates, openFrontProxy } from './certificate-options.js';
import { FollowedOptionFiles } from './followed-option-files.js';
import { Opened } from './opened.js';
import { openOpenId } from './openid-options.js';
import type { GivenOptions } from './option.js';
import { openTokenReview } from './reviewer-options.js';
import { openServiceAccounts, openTokenFile, tokens } from './token-options.js';

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

/** Reads all that the options name, and follows it. @throws UsageError naming the option; then nothing is left open. */
export async function openAuthentication(
  given: GivenOptions,
  serverKind: ServerKind,
  events: AuthenticationEvents,
): Promise<OpenAuthentication> {
  const opened = new Opened();
  const files = opened.add(new FollowedOptionFiles(events.onReload, events.onFollowed));
  const context: AuthenticationContext = { files, events, opened };
  try {
    const { anonymousAuth: anonymous } = tokens.read(given);
    const frontProxy = await openFrontProxy(given, context);
    const clientCertificates = await openClientCertificates(given, context, serverKind);
    const authenticators = [
      frontProxy,
      clientCertificates,
      await openTokenFile(given, context),
      await openServiceAccounts(given, context),
      await openOpenId(given, context),
      await openTokenReview(given, context),
    ];
    return {
      authenticators: authenticators.filter((one) => one !== undefined),
      anonymous,
      requestCertificates: frontProxy !== undefined || clientCertificates !== undefined,
      certificates: files.certificates,
      close: () => opened.close(),
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}
