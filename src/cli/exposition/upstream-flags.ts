import { isIP } from 'node:net';
import { authoritiesFault, certificateFault, privateKeyFault } from '../../api-client/tls-material.js';
import type { ClientCertificate } from '../../api-client/tls-material.js';
import type { Exposition } from '../../exposition/exposition.js';
import type { UpstreamError } from '../../exposition/upstream-error.js';
import { parseUpstreamUrl } from '../../exposition/upstream-url.js';
import { upstreamExposition } from '../../exposition/upstream.js';
import type { FileContent } from '../../files/followed-files.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import { ofOneFile, type FollowedFlagFiles } from '../followed-flag-files.js';
import { UsageError, usageError } from '../usage-error.js';

const upstream: Flag = {
  name: '--upstream',
  value: 'URL',
  description:
    "http or https URL of the exposition that /metrics serves in place of this process' own, which is then at /metrics/filter; without a path, /metrics of it",
};
const upstreamCaFile: Flag = {
  name: '--upstream-ca-file',
  value: 'file',
  description:
    'PEM bundle of the authorities of the https upstream; without it, those that Node.js trusts; reloaded on change',
};
const upstreamClientCertFile: Flag = {
  name: '--upstream-client-cert-file',
  value: 'file',
  description: 'PEM client certificate for the https upstream, intermediates behind it; reloaded on change',
};
const upstreamClientKeyFile: Flag = {
  name: '--upstream-client-key-file',
  value: 'file',
  description: 'PEM private key of --upstream-client-cert-file; reloaded on change',
};
const upstreamServerName: Flag = {
  name: '--upstream-server-name',
  value: 'name',
  description:
    "DNS name or IP address that the https upstream's certificate must be for; without it, the URL's host",
};

/** Whose metrics are guarded, where they are not this process' own. */
export const upstreamFlags: readonly Flag[] = [
  upstream,
  upstreamCaFile,
  upstreamClientCertFile,
  upstreamClientKeyFile,
  upstreamServerName,
];

/** Where the filter's own metrics are while `/metrics` serves an upstream's. */
export const ownMetricsPath = '/metrics/filter';

export interface ServedExpositions {
  /** What `/metrics` serves. */
  readonly exposition: Exposition;
  /** By the path below `/metrics`; RBAC grants each by its own path. */
  readonly others: ReadonlyMap<string, Exposition>;
  /** Closes the connections to the upstream. */
  readonly close: () => void;
}

/**
 * What is served where: `own` at `/metrics`, or beside an upstream's. Nothing is asked of the upstream yet: it may
 * start later than its guard.
 *
 * @throws UsageError naming the flag.
 */
export async function expositionOf(
  values: FlagValues,
  own: Exposition,
  files: FollowedFlagFiles,
  onFailure: (error: UpstreamError) => void,
): Promise<ServedExpositions> {
  const url = upstreamUrlOf(values);
  if (url === undefined) return { exposition: own, others: new Map(), close: () => undefined };
  const authorities = await authoritiesOf(values, files);
  const clientCertificate = await clientCertificateOf(values, files);
  const exposition = upstreamExposition({
    url,
    get ca() {
      return authorities?.current;
    },
    get clientCertificate() {
      return clientCertificate?.current;
    },
    serverName: serverNameOf(values),
    onFailure,
  });
  return {
    exposition,
    others: new Map([[ownMetricsPath, own]]),
    close: () => {
      exposition.close();
    },
  };
}

/** Undefined without an upstream; then the flags that say more of it have nothing to say either. */
function upstreamUrlOf(values: FlagValues): string | undefined {
  const url = valueOf(values, upstream);
  const [first] = upstreamFlags.slice(1).filter((flag) => valueOf(values, flag) !== undefined);
  if (url === undefined) {
    if (first !== undefined) throw new UsageError(`${first.name}: needs ${upstream.name}`);
    return undefined;
  }
  let protocol: string;
  try {
    ({ protocol } = parseUpstreamUrl(url));
  } catch (error) {
    throw usageError(upstream.name, error);
  }
  if (protocol === 'http:' && first !== undefined) {
    throw new UsageError(`${first.name}: needs an https ${upstream.name}`);
  }
  return url;
}

async function authoritiesOf(
  values: FlagValues,
  files: FollowedFlagFiles,
): Promise<{ readonly current: string } | undefined> {
  const file = valueOf(values, upstreamCaFile);
  if (file === undefined) return undefined;
  return files.open(
    upstreamCaFile,
    [file],
    ofOneFile((text, name) => usable(text, name, authoritiesFault(text))),
  );
}

async function clientCertificateOf(
  values: FlagValues,
  files: FollowedFlagFiles,
): Promise<{ readonly current: ClientCertificate } | undefined> {
  const certificateFile = valueOf(values, upstreamClientCertFile);
  const keyFile = valueOf(values, upstreamClientKeyFile);
  if (certificateFile === undefined && keyFile === undefined) return undefined;
  if (certificateFile === undefined) {
    throw new UsageError(`${upstreamClientCertFile.name}: missing beside ${upstreamClientKeyFile.name}`);
  }
  if (keyFile === undefined) {
    throw new UsageError(`${upstreamClientKeyFile.name}: missing beside ${upstreamClientCertFile.name}`);
  }
  // Together: a certificate without its own key is of no use.
  return files.open(upstreamClientCertFile, [certificateFile, keyFile], clientCertificateIn);
}

function clientCertificateIn([certificate, key]: readonly FileContent[]): ClientCertificate {
  if (certificate === undefined || key === undefined) throw new RangeError('two files are needed');
  const pem = certificate.bytes.toString('utf8');
  const keyPem = key.bytes.toString('utf8');
  usable(pem, certificate.file, certificateFault(pem));
  return {
    certificate: pem,
    privateKey: usable(keyPem, `${upstreamClientKeyFile.name} ${key.file}`, privateKeyFault(pem, keyPem)),
  };
}

function usable(pem: string, name: string, fault: string | undefined): string {
  if (fault !== undefined) throw new Error(`${name} ${fault}`);
  return pem;
}

function serverNameOf(values: FlagValues): string | undefined {
  const name = valueOf(values, upstreamServerName);
  if (name === undefined || isIP(name) !== 0 || /^[A-Za-z0-9_.-]+$/.test(name)) return name;
  throw new UsageError(`${upstreamServerName.name}: ${JSON.stringify(name)} is no host name`);
}
