import { stat } from 'node:fs/promises';
import { fileFindings } from './file-checks.js';
import { finding, type Finding } from './finding.js';
import type { FlagValues } from '../../options/flags.js';
import {
  authenticationKubeconfig,
  authenticationWebhook,
} from '../../options/authentication/token-review-flags.js';
import {
  authorizationKubeconfig,
  authorizationWebhook,
} from '../../options/authorization/authorization-webhook-flags.js';
import { policySnapshot } from '../../options/policy/policy-flags.js';
import { cacheKubeconfig, rootKubeconfig } from '../../options/policy/policy-source-flags.js';
import { givenFiles, partnerOf, withoutFlags } from './given-flags.js';

export interface FileReading {
  readonly findings: readonly Finding[];
  /** Without the files that cannot be read twice, or for ever. */
  readonly values: FlagValues;
}

const kubeconfigs = [
  rootKubeconfig,
  cacheKubeconfig,
  authenticationKubeconfig,
  authenticationWebhook,
  authorizationKubeconfig,
  authorizationWebhook,
].map(({ name }) => name);

const secretFiles: ReadonlySet<string> = new Set([
  '--tls-private-key-file',
  '--token-auth-file',
  '--upstream-client-key-file',
  ...kubeconfigs,
]);

/** Refused by their readers where they are no regular files: they are followed as they change. */
const regularFiles: ReadonlySet<string> = new Set([
  '--tls-cert-file',
  '--tls-private-key-file',
  '--tls-sni-cert-key',
  '--maintenance-file',
  '--client-ca-file',
  '--requestheader-client-ca-file',
  '--token-auth-file',
  '--service-account-key-file',
  '--service-account-jwks-ca-file',
  '--oidc-ca-file',
  '--label-mapping-file',
  '--upstream-ca-file',
  '--upstream-client-cert-file',
  '--upstream-client-key-file',
  ...kubeconfigs,
]);

/** Looks at the files that flags name, without reading them. A missing one is left to whoever reads it. */
export async function lookAtFiles(given: FlagValues): Promise<FileReading> {
  const findings: Finding[] = [];
  let values = given;
  for (const each of givenFiles(given)) {
    // Whoever reads snapshots is strict about the place itself.
    if (each.flag.name === policySnapshot.name) continue;
    if (!regularFiles.has(each.flag.name) && (await isPipeOrDevice(each.file))) {
      const message = 'is no regular file: a start may read it, but it cannot be looked at before';
      findings.push(finding('warning', 'flag', each.subject, message));
      values = withoutFlags(values, [each.flag.name, partnerOf(each.flag.name)]);
    } else
      findings.push(
        ...(await fileFindings({ ...each, isSecret: each.isSecret ?? secretFiles.has(each.flag.name) })),
      );
  }
  return { findings, values };
}

async function isPipeOrDevice(file: string): Promise<boolean> {
  try {
    const status = await stat(file);
    return !status.isFile() && !status.isDirectory();
  } catch {
    return false;
  }
}
