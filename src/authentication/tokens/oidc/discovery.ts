import { getHttpsJson, type HttpsJsonOptions } from '../../../outgoing/https-json.js';
import { httpsUrl } from '../../../outgoing/https-url.js';
import { DiscoveryError } from '../../authentication-errors.js';

/**
 * The URL of an issuer's keys, as the issuer's own document tells it (OpenID Connect Discovery 1.0, section 4).
 *
 * @throws DiscoveryError where the document is of another issuer, or names no https URL; what getHttpsJson throws
 * where there is no document.
 */
export async function discoverKeysUrl(issuerUrl: string, options: HttpsJsonOptions): Promise<string> {
  const document = await getHttpsJson(discoveryUrl(issuerUrl), options);
  if (typeof document !== 'object' || document === null) {
    throw new DiscoveryError(`the discovery document of ${issuerUrl} is no JSON object`);
  }
  const { issuer, jwks_uri: keysUrl } = document as {
    readonly issuer?: unknown;
    readonly jwks_uri?: unknown;
  };
  if (issuer !== issuerUrl)
    throw new DiscoveryError(`the discovery document of ${issuerUrl} is of another issuer`);
  if (typeof keysUrl !== 'string' || httpsUrl(keysUrl) === undefined) {
    throw new DiscoveryError(`the discovery document of ${issuerUrl} names no https URL of keys`);
  }
  return keysUrl;
}

function discoveryUrl(issuerUrl: string): string {
  return `${issuerUrl.replace(/\/$/, '')}/.well-known/openid-configuration`;
}
