import { isIP } from 'node:net';
import type { Exposition } from '../exposition/exposition.js';
import { IdentityHeadersError, NoTenantError } from '../exposition/exposition-errors.js';
import {
  identityFieldNames,
  identityWriter,
  tenantWriter,
  type IdentityHeaders,
  type TenantHeader,
  type TenantSource,
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
import { boolean, list, parsed, text, file } from './option-kinds.js';
import type { FileContent } from '../files/followed-files.js';
import {
  authoritiesFault,
  certificateFault,
  privateKeyFault,
  type ClientCertificate,
} from '../outgoing/tls-material.js';
import type { UpstreamTls } from '../outgoing/upstream-client.js';
import type { FollowedOptionFiles } from './followed-option-files.js';

/** What an upstream is told of who scrapes. */
export const upstreamHeaders = topic(
  'What is served',
  {
    authHeaderFieldsEnabled: boolean(
      false,
      `tell the upstream who scrapes; it must be on a loopback address, or be reached over https with ${flagName('upstreamClientCertFile')}`,
    ),
    authHeaderUserFieldName: text('field', 'x-remote-user', "header field of the scraper's name"),
    authHeaderGroupsFieldName: text('field', 'x-remote-groups', "header field of the scraper's groups"),
    authHeaderGroupsFieldSeparator: text(
      'separator',
      '|',
      'what stands between two groups; a scraper with a group that holds it gets nothing',
    ),
    tenantHeader: {
      ...parsed(
        list(
          'field=source',
          undefined,
          `header field that tells the upstream the scraper's tenant, and what says it: cn (his name), group:<prefix> (the rest of his one group that begins so) or extra:<key>; whose tenant is not sure gets 403; may be repeated; the upstream as for ${flagName('authHeaderFieldsEnabled')}`,
        ),
        (given) => given.map(tenantHeaderOf),
        [],
      ),
      keepsCommas: true,
    },
  },
  [
    needs(
      ['authHeaderUserFieldName', 'authHeaderGroupsFieldName', 'authHeaderGroupsFieldSeparator'],
      'authHeaderFieldsEnabled',
    ),
  ],
);

function tenantHeaderOf(text: string): TenantHeader {
  const [, field, said] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  const source = said === undefined ? undefined : sourceOf(said);
  if (field !== undefined && source !== undefined) return { field, source };
  throw new RangeError(`${JSON.stringify(text)} is none of NAME=cn, NAME=group:PREFIX and NAME=extra:KEY`);
}

function sourceOf(text: string): TenantSource | undefined {
  if (text === 'cn') return { kind: 'name' };
  const [, kind, rest = ''] = /^(group|extra):(.*)$/s.exec(text) ?? [];
  if (kind === 'group') return { kind, prefix: rest };
  return kind === 'extra' ? { kind, key: rest } : undefined;
}

/** Whether what an upstream answers may depend on who scrapes. @throws UsageError naming the option. */
export function tellsWhoScrapes(given: GivenOptions): boolean {
  const { authHeaderFieldsEnabled, tenantHeader } = upstreamHeaders.read(given);
  return authHeaderFieldsEnabled || tenantHeader.length > 0;
}

/**
 * The headers that upstreams at these URLs are sent. `showsCertificate`: whether https ones are shown a client
 * certificate.
 *
 * @throws UsageError naming the option; also where somebody else could send the same headers to an upstream.
 */
export function upstreamHeadersOf(given: GivenOptions, urls: readonly string[], showsCertificate: boolean) {
  const { options } = upstreamHeaders;
  const values = upstreamHeaders.read(given);
  const identityHeaders = {
    userField: values.authHeaderUserFieldName,
    groupsField: values.authHeaderGroupsFieldName,
    groupsSeparator: values.authHeaderGroupsFieldSeparator,
  };
  const tellsIdentity = values.authHeaderFieldsEnabled;
  if (tellsIdentity) {
    checkUpstreams(options.authHeaderFieldsEnabled, urls, showsCertificate);
    checkIdentityHeaders(identityHeaders);
  }
  const tellsTenant = values.tenantHeader.length > 0;
  if (tellsTenant) {
    blaming(options.tenantHeader, () =>
      tenantWriter(values.tenantHeader, identityFieldNames(tellsIdentity ? identityHeaders : undefined)),
    );
    checkUpstreams(options.tenantHeader, urls, showsCertificate);
  }
  return {
    ...(tellsIdentity && { identityHeaders }),
    ...(tellsTenant && { tenantHeaders: values.tenantHeader }),
  };
}

function checkIdentityHeaders(headers: IdentityHeaders): void {
  const { options } = upstreamHeaders;
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

/** Each must be able to tell our headers from those of somebody else in the network. */
function checkUpstreams(option: Option, urls: readonly string[], showsCertificate: boolean): void {
  const upstream = flagName('upstream');
  if (urls.length === 0) throw fault(option, `needs ${upstream}`);
  const isTold = urls.every((url) => {
    const { protocol, hostname } = new URL(url);
    return isLoopback(hostname) || (protocol === 'https:' && showsCertificate);
  });
  if (isTold) return;
  throw fault(
    option,
    `needs an ${upstream} on a loopback address, or an https one and ${flagName('upstreamClientCertFile')}`,
  );
}

/** RFC 6761, 6.3: `localhost` is one wherever it is looked up. */
function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}

/** The same exposition; `onRefusal` is told of each scrape that it refuses for want of a tenant. */
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

/** How https upstreams are known, and how they know this process. */
export const upstreamTls = topic(
  'What is served',
  {
    upstreamCaFile: file(
      { followed: true },
      'PEM bundle of the authorities of https upstreams; without it, those that Node.js trusts; reloaded on change',
    ),
    upstreamClientCertFile: file(
      { followed: true },
      'PEM client certificate for https upstreams, intermediates behind it; reloaded on change',
    ),
    upstreamClientKeyFile: file(
      { followed: true, secret: true },
      `PEM private key of ${flagName('upstreamClientCertFile')}; reloaded on change`,
    ),
    upstreamServerName: parsed(
      text(
        'name',
        undefined,
        "DNS name or IP address that the certificates of https upstreams must be for; without it, the URL's host",
      ),
      hostName,
    ),
  },
  [together('upstreamClientCertFile', 'upstreamClientKeyFile')],
);

function hostName(name: string): string {
  if (isIP(name) !== 0 || /^[A-Za-z0-9_.-]+$/.test(name)) return name;
  throw new RangeError(`${JSON.stringify(name)} is no host name`);
}

/** Its members follow the files: they are to be read at each request. @throws UsageError naming the option. */
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
    // Together: a certificate without its own key is of no use.
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
