import { isIP } from 'node:net';
import type { Exposition } from '../exposition/exposition.js';
import { IdentityHeadersError, NoTenantError } from '../exposition/exposition-errors.js';
import {
  identityFieldNames,
  identityWriter,
  tenantWriter,
  type IdentityHeaders,
  type TenantHeader,
} from '../exposition/sources/upstream/upstream-identity.js';
import {
  blaming,
  fault,
  flagName,
  needs,
  topic,
  type GivenOptions,
  type Option,
  together,
} from './option.js';
import { boolean, each, file, list, parsed, text } from './option-kinds.js';
import type { FileContent } from '../files/followed-files.js';
import {
  authoritiesFault,
  certificateFault,
  privateKeyFault,
  type ClientCertificate,
} from '../outgoing/tls-material.js';
import type { UpstreamTls } from '../outgoing/upstream-client.js';
import type { FollowedOptionFiles } from './followed-option-files.js';

/** Headers that tell an upstream who scrapes. */
export const callerHeaders = topic(
  'What is served',
  {
    authHeaderFieldsEnabled: boolean(false).help(
      `send user and groups of the scraper to the upstream, which must have a loopback address or use https with ${flagName('upstreamClientCertFile')}`,
    ),
    authHeaderUserFieldName: text('field', 'x-remote-user').help('header for the name of the scraper'),
    authHeaderGroupsFieldName: text('field', 'x-remote-groups').help('header for the groups of the scraper'),
    authHeaderGroupsFieldSeparator: text('separator', '|').help(
      'separator between groups; scrapes of a user with a group that contains it fail',
    ),
    tenantHeader: each(list('field=source'), tenantHeaderOf).help(
      `header for the tenant of the scraper and where it comes from: cn (user name), group:<prefix> (rest of the only group with that prefix) or extra:<key>; scrapes without exactly one tenant are answered 403; may be repeated; same upstreams as ${flagName('authHeaderFieldsEnabled')}`,
      { keepsCommas: true },
    ),
  },
  [
    needs(
      ['authHeaderUserFieldName', 'authHeaderGroupsFieldName', 'authHeaderGroupsFieldSeparator'],
      'authHeaderFieldsEnabled',
    ),
  ],
);

function tenantHeaderOf(text: string): TenantHeader {
  const [, field = '', cn, prefix, key] = /^([^=]*)=(?:(cn)|group:(.*)|extra:(.*))$/s.exec(text) ?? [];
  if (cn !== undefined) return { field, source: { kind: 'name' } };
  if (prefix !== undefined) return { field, source: { kind: 'group', prefix } };
  if (key !== undefined) return { field, source: { kind: 'extra', key } };
  throw new RangeError(`${JSON.stringify(text)} must be NAME=cn, NAME=group:PREFIX or NAME=extra:KEY`);
}

/** Whether an upstream's answer may depend on the user. @throws UsageError naming the option. */
export function tellsWhoScrapes(given: GivenOptions): boolean {
  const { authHeaderFieldsEnabled, tenantHeader } = callerHeaders.read(given);
  return authHeaderFieldsEnabled || tenantHeader.length > 0;
}

/**
 * The headers to send to upstreams at these URLs. `showsCertificate`: whether https upstreams get a client certificate.
 * @throws UsageError naming the option; also if others could send the same headers to an upstream.
 */
export function upstreamHeadersOf(given: GivenOptions, urls: readonly string[], showsCertificate: boolean) {
  const { options } = callerHeaders;
  const { tenantHeader: tenantHeaders, ...values } = callerHeaders.read(given);
  const identityHeaders = values.authHeaderFieldsEnabled
    ? {
        userField: values.authHeaderUserFieldName,
        groupsField: values.authHeaderGroupsFieldName,
        groupsSeparator: values.authHeaderGroupsFieldSeparator,
      }
    : undefined;
  if (identityHeaders !== undefined) {
    checkUpstreams(options.authHeaderFieldsEnabled, urls, showsCertificate);
    checkIdentityHeaders(identityHeaders);
  }
  if (tenantHeaders.length > 0) {
    blaming(options.tenantHeader, () => tenantWriter(tenantHeaders, identityFieldNames(identityHeaders)));
    checkUpstreams(options.tenantHeader, urls, showsCertificate);
  }
  return { ...(identityHeaders && { identityHeaders }), ...(tenantHeaders.length > 0 && { tenantHeaders }) };
}

function checkIdentityHeaders(headers: IdentityHeaders): void {
  const { options } = callerHeaders;
  const origins: Readonly<Record<keyof IdentityHeaders, Option>> = {
    userField: options.authHeaderUserFieldName,
    groupsField: options.authHeaderGroupsFieldName,
    groupsSeparator: options.authHeaderGroupsFieldSeparator,
  };
  try {
    identityWriter(headers);
  } catch (error) {
    throw error instanceof IdentityHeadersError ? fault(origins[error.option], error.fault) : error;
  }
}

/** The options that name other servers, for messages. */
export const anyUpstream = `${flagName('upstream')} or ${flagName('gatewayPath')}`;

/** Upstreams must be able to tell our headers from forged ones. */
function checkUpstreams(option: Option, urls: readonly string[], showsCertificate: boolean): void {
  const upstream = flagName('upstream');
  if (urls.length === 0) throw fault(option, `needs ${anyUpstream}`);
  const isTold = urls.every((url) => {
    const { protocol, hostname } = new URL(url);
    return isLoopback(hostname) || (protocol === 'https:' && showsCertificate);
  });
  if (isTold) return;
  const orHttps = `or an https one with ${flagName('upstreamClientCertFile')}`;
  throw fault(option, `needs an ${upstream} on a loopback address, ${orHttps}`);
}

/** `localhost` always resolves to loopback (RFC 6761, 6.3). */
function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}

/** The same exposition; calls `onRefusal` for each scrape that is refused because its tenant is unknown. */
export function refusalsTold(exposition: Exposition, onRefusal: (error: NoTenantError) => void): Exposition {
  return {
    contentType: (request) => exposition.contentType(request),
    async render(request) {
      try {
        return await exposition.render(request);
      } catch (error) {
        if (error instanceof NoTenantError) onRefusal(error);
        throw error;
      }
    },
  };
}

export const upstreamTls = topic(
  'What is served',
  {
    upstreamCaFile: file({ followed: true }).help(
      'PEM bundle of the CAs of https upstreams; unset: the CAs that Node.js trusts; reloaded on change',
    ),
    upstreamClientCertFile: file({ followed: true }).help(
      'PEM client certificate for https upstreams followed by its intermediates; reloaded on change',
    ),
    upstreamClientKeyFile: file({ followed: true, secret: true }).help(
      `PEM private key of ${flagName('upstreamClientCertFile')}; reloaded on change`,
    ),
    upstreamServerName: parsed(text('name'), hostName).help(
      'DNS name or IP address to verify the certificates of https upstreams against; unset: the host of the URL',
    ),
  },
  [together('upstreamClientCertFile', 'upstreamClientKeyFile')],
);

function hostName(name: string): string {
  if (isIP(name) !== 0 || /^[A-Za-z0-9_.-]+$/.test(name)) return name;
  throw new RangeError(`${JSON.stringify(name)} is not a host name`);
}

/** Its members follow the files; read them at each request. @throws UsageError naming the option. */
export async function openUpstreamTls(given: GivenOptions, files: FollowedOptionFiles): Promise<UpstreamTls> {
  const { options } = upstreamTls;
  const values = upstreamTls.read(given);
  const { upstreamClientCertFile: certificateFile, upstreamClientKeyFile: keyFile } = values;
  const authorities =
    values.upstreamCaFile === undefined
      ? undefined
      : await files.openOne(options.upstreamCaFile, values.upstreamCaFile, (pem, name) =>
          usable(pem, name, authoritiesFault(pem)),
        );
  let clientCertificate: { readonly current: ClientCertificate } | undefined;
  if (certificateFile !== undefined && keyFile !== undefined) {
    const option = options.upstreamClientCertFile;
    // Followed together: a certificate is useless without its key.
    const followed = await files.open(option, [certificateFile, keyFile], clientCertificateIn);
    files.addCertificates(option, certificateFile, () => followed.current.certificate);
    clientCertificate = followed;
  }
  return {
    get ca() {
      return authorities?.current;
    },
    get clientCertificate() {
      return clientCertificate?.current;
    },
    serverName: values.upstreamServerName,
  };
}

function clientCertificateIn([certificate, key]: readonly FileContent[]): ClientCertificate {
  const pem = certificate?.bytes.toString('utf8') ?? '';
  const keyPem = key?.bytes.toString('utf8') ?? '';
  usable(pem, certificate?.file ?? '', certificateFault(pem));
  const keyName = `${upstreamTls.options.upstreamClientKeyFile.name} ${key?.file ?? ''}`;
  return { certificate: pem, privateKey: usable(keyPem, keyName, privateKeyFault(pem, keyPem)) };
}

function usable(pem: string, name: string, fault: string | undefined): string {
  if (fault !== undefined) throw new Error(`${name} ${fault}`);
  return pem;
}
