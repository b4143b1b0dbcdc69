import { isIP } from 'node:net';
import type { TlsOptions } from '../../server/tls.js';
import { parsePort } from '../flag-values.js';
import { valueOf, type Flag, type FlagValues } from '../flags.js';
import type { FollowedFlagFiles } from '../followed-flag-files.js';
import { UsageError } from '../usage-error.js';
import { limitsOf, type LimitsConfiguration } from './limits-flags.js';
import { servedPathsFlags, pathGlobsOf, type PathGlobs } from './served-paths-flags.js';
import { shutdownOf, type ShutdownConfiguration } from './shutdown-flags.js';
import { tlsFlags, tlsOf } from './tls-flags.js';

const bindAddress: Flag = {
  name: '--bind-address',
  value: 'address',
  default: '0.0.0.0',
  description: 'IP address to listen on',
};
const securePort: Flag = {
  name: '--secure-port',
  value: 'port',
  default: '6443',
  description: 'port to listen on; 0 takes a free one and logs it',
};

export const servingFlags: readonly Flag[] = [bindAddress, securePort, ...tlsFlags, ...servedPathsFlags];

export interface ServingConfiguration extends PathGlobs, LimitsConfiguration, ShutdownConfiguration {
  readonly bindAddress: string;
  readonly port: number;
  readonly tls: TlsOptions;
  /** No certificate was named: clients cannot know this one. */
  readonly isSelfSigned: boolean;
}

/** @throws UsageError naming the flag. */
export async function servingOf(
  values: FlagValues,
  requestCertificates: boolean,
  files: FollowedFlagFiles,
): Promise<ServingConfiguration> {
  const address = valueOf(values, bindAddress) ?? '';
  if (isIP(address) === 0) {
    throw new UsageError(`${bindAddress.name}: ${JSON.stringify(address)} is not an IP address`);
  }
  const port = parsePort(securePort.name, valueOf(values, securePort) ?? '');
  const others = { ...pathGlobsOf(values), ...limitsOf(values), ...shutdownOf(values) };
  return { bindAddress: address, port, ...(await tlsOf(values, requestCertificates, files)), ...others };
}
