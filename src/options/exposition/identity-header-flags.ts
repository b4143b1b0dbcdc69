import { isIP } from 'node:net';
import { IdentityHeadersError } from '../../exposition/exposition-errors.js';
import { identityWriter, type IdentityHeaders } from '../../exposition/sources/upstream/upstream-identity.js';
import { parseBoolean } from '../flag-values.js';
import { booleanOf, isGiven, valueOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError } from '../usage-error.js';

const enabled: Flag = {
  name: '--auth-header-fields-enabled',
  default: 'false',
  description:
    'tell the upstream who scrapes; it must be on a loopback address, or be reached over https with --upstream-client-cert-file',
};
const userField: Flag = {
  name: '--auth-header-user-field-name',
  value: 'field',
  default: 'x-remote-user',
  description: "header field of the scraper's name",
};
const groupsField: Flag = {
  name: '--auth-header-groups-field-name',
  value: 'field',
  default: 'x-remote-groups',
  description: "header field of the scraper's groups",
};
const groupsSeparator: Flag = {
  name: '--auth-header-groups-field-separator',
  value: 'separator',
  default: '|',
  description: 'what stands between two groups; a scraper with a group that holds it gets nothing',
};

/** What an upstream is told of who scrapes. */
export const identityHeaderFlags: readonly Flag[] = [enabled, userField, groupsField, groupsSeparator];

/** Whether what an upstream answers may depend on who scrapes. @throws UsageError naming the flag. */
export function tellsWhoScrapes(values: FlagValues): boolean {
  return parseBoolean(enabled.name, booleanOf(values, enabled));
}

const flagsOfOptions: Readonly<Record<keyof IdentityHeaders, Flag>> = {
  userField,
  groupsField,
  groupsSeparator,
};

/**
 * Undefined where upstreams are told nothing. `showsCertificate` says whether https ones are shown a client
 * certificate.
 *
 * @throws UsageError naming the flag; also where somebody else could send the same headers to an upstream.
 */
export function identityHeadersOf(
  values: FlagValues,
  urls: readonly string[],
  showsCertificate: boolean,
): IdentityHeaders | undefined {
  const [said] = identityHeaderFlags.slice(1).filter((flag) => isGiven(values, flag));
  if (!tellsWhoScrapes(values)) {
    if (said !== undefined) throw new UsageError(`${said.name}: needs ${enabled.name}`);
    return undefined;
  }
  if (urls.length === 0) throw new UsageError(`${enabled.name}: needs --upstream`);
  if (!urls.every((url) => canBelieve(url, showsCertificate))) {
    throw new UsageError(
      `${enabled.name}: needs an --upstream on a loopback address, or an https one and --upstream-client-cert-file`,
    );
  }
  const headers = {
    userField: valueOf(values, userField) ?? '',
    groupsField: valueOf(values, groupsField) ?? '',
    groupsSeparator: valueOf(values, groupsSeparator) ?? '',
  };
  try {
    identityWriter(headers);
    return headers;
  } catch (error) {
    if (!(error instanceof IdentityHeadersError)) throw error;
    throw new UsageError(`${flagsOfOptions[error.option].name}: ${error.fault}`);
  }
}

/** Whether the upstream can tell our headers from those of somebody else in the network. */
export function canBelieve(url: string, showsCertificate: boolean): boolean {
  const { protocol, hostname } = new URL(url);
  return isLoopback(hostname) || (protocol === 'https:' && showsCertificate);
}

/** RFC 6761, 6.3: `localhost` is one wherever it is looked up. */
function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}
