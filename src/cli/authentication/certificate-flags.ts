import type { Authenticator } from '../authentication/authenticator.js';
import {
  createCertificateVerifier,
  type CertificateVerifier,
} from '../authentication/certificate-verifier.js';
import { clientCertificateAuthenticator } from '../authentication/client-certificate.js';
import { requestHeaderAuthenticator } from '../authentication/request-header.js';
import { tokenFileAuthenticator } from '../authentication/token-file.js';
import type { ServerKind } from '../paths/classify.js';
import { parseBoolean, readFlagFile } from './flag-values.js';
import { booleanOf, listOf, valueOf, type Flag, type FlagValues } from './flags.js';
import { usageError } from './usage-error.js';

const clientCaFile: Flag = {
  name: '--client-ca-file',
  value: 'file',
  description:
    'PEM bundle of the authorities whose client certificates are accepted: CN is the user, O are groups',
};
const requestHeaderCaFile: Flag = {
  name: '--requestheader-client-ca-file',
  value: 'file',
  description: 'PEM bundle of the authorities of front proxies, whose X-Remote-* headers are believed',
};
const requestHeaderAllowedNames: Flag = {
  name: '--requestheader-allowed-names',
  value: 'names',
  isList: true,
  default: '',
  description:
    'CNs of the front proxies that are believed; empty believes every certificate of their authority',
};
const usernameHeaders: Flag = {
  name: '--requestheader-username-headers',
  value: 'headers',
  isList: true,
  default: 'X-Remote-User',
  description: "headers that may bring the user's name; the first that does counts",
};
const uidHeaders: Flag = {
  name: '--requestheader-uid-headers',
  value: 'headers',
  isList: true,
  default: '',
  description: "headers that may bring the user's uid",
};
const groupHeaders: Flag = {
  name: '--requestheader-group-headers',
  value: 'headers',
  isList: true,
  default: 'X-Remote-Group',
  description: "headers that bring the user's groups, one in each line",
};
const extraHeadersPrefix: Flag = {
  name: '--requestheader-extra-headers-prefix',
  value: 'prefixes',
  isList: true,
  default: 'X-Remote-Extra-',
  description: 'prefixes of the headers that bring extra fields, such as scopes and warrants',
};
const tokenAuthFile: Flag = {
  name: '--token-auth-file',
  value: 'file',
  description: 'CSV of static bearer tokens: token,user,uid,"group1,group2"',
};
const anonymousAuth: Flag = {
  name: '--anonymous-auth',
  default: 'true',
  description: 'whether a request without credentials is system:anonymous rather than 401',
};

export const authenticationFlags: readonly Flag[] = [
  clientCaFile,
  requestHeaderCaFile,
  requestHeaderAllowedNames,
  usernameHeaders,
  uidHeaders,
  groupHeaders,
  extraHeadersPrefix,
  tokenAuthFile,
  anonymousAuth,
];

export interface AuthenticationConfiguration {
  readonly authenticators: readonly Authenticator[];
  readonly anonymous: boolean;
  /** Whether some method looks at client certificates. */
  readonly requestCertificates: boolean;
}

/** Kubernetes' order: request header, client certificate, token file. @throws UsageError naming the flag. */
export function authenticationOf(values: FlagValues, serverKind: ServerKind): AuthenticationConfiguration {
  const authenticators: Authenticator[] = [];
  const verifierOf = (flag: Flag): CertificateVerifier | undefined => {
    const file = valueOf(values, flag);
    if (file === undefined) return undefined;
    const bundle = readFlagFile(flag.name, file);
    try {
      return createCertificateVerifier({ authorities: bundle });
    } catch (error) {
      throw usageError(`${flag.name}: ${file}`, error);
    }
  };
  const proxies = verifierOf(requestHeaderCaFile);
  if (proxies !== undefined) {
    authenticators.push(
      requestHeaderAuthenticator({
        verifier: proxies,
        allowedNames: nonEmpty(listOf(values, requestHeaderAllowedNames)),
        usernameHeaders: nonEmpty(listOf(values, usernameHeaders)),
        uidHeaders: nonEmpty(listOf(values, uidHeaders)),
        groupHeaders: nonEmpty(listOf(values, groupHeaders)),
        extraHeadersPrefixes: nonEmpty(listOf(values, extraHeadersPrefix)),
      }),
    );
  }
  const clients = verifierOf(clientCaFile);
  if (clients !== undefined) {
    // kcp's cache server takes whoever it cannot verify as anonymous; a shard refuses him.
    const unverified = serverKind === 'cache-server' ? 'ignore' : 'refuse';
    authenticators.push(clientCertificateAuthenticator({ verifier: clients, unverified }));
  }
  const tokens = valueOf(values, tokenAuthFile);
  if (tokens !== undefined) {
    const text = readFlagFile(tokenAuthFile.name, tokens);
    try {
      authenticators.push(tokenFileAuthenticator({ text, file: tokens }));
    } catch (error) {
      throw usageError(tokenAuthFile.name, error);
    }
  }
  const anonymous = parseBoolean(anonymousAuth.name, booleanOf(values, anonymousAuth));
  return { authenticators, anonymous, requestCertificates: proxies !== undefined || clients !== undefined };
}

function nonEmpty(values: readonly string[]): readonly string[] {
  return values.map((value) => value.trim()).filter((value) => value !== '');
}
