import { stat } from 'node:fs/promises';
import {
  authenticationKubeconfig,
  authenticationWebhook,
} from '../../options/authentication/token-review-flags.js';
import {
  authorizationKubeconfig,
  authorizationWebhook,
} from '../../options/authorization/authorization-webhook-flags.js';
import type { FlagValues } from '../../options/flags.js';
import { policySnapshot } from '../../options/policy/policy-flags.js';
import { cacheKubeconfig, rootKubeconfig } from '../../options/policy/policy-source-flags.js';
import { about, finding, type Finding } from './finding.js';
import { givenFiles, partnerOf, withoutFlags } from './given-flags.js';

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

export interface FileReading {
  readonly findings: readonly Finding[];
  /** Without the files that can be read once only, or never end. */
  readonly values: FlagValues;
}

/** Looks at the files that flags name, without reading them. A missing file is a fault that its reader finds. */
export async function lookAtFiles(given: FlagValues): Promise<FileReading> {
  const findings: Finding[] = [];
  let values = given;
  for (const { flag, file, subject, isSecret = secretFiles.has(flag.name) } of givenFiles(given)) {
    // The reader of snapshots is strict about the place itself.
    if (flag.name === policySnapshot.name) continue;
    if (!regularFiles.has(flag.name) && (await isPipeOrDevice(file))) {
      const message = 'is no regular file: a start may read it, but it cannot be looked at before';
      findings.push(finding('warning', 'flag', subject, message));
      values = withoutFlags(values, [flag.name, partnerOf(flag.name)]);
    } else findings.push(...(await fileFindings({ subject, file, isSecret })));
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

interface NamedFile {
  /** What findings name: flag and file. */
  readonly subject: string;
  readonly file: string;
  /** Holds a private key, tokens or other credentials. */
  readonly isSecret: boolean;
}

/** Whether others may read a secret, or write what decides here. */
export async function fileFindings(named: NamedFile): Promise<readonly Finding[]> {
  // Windows has no numbers for users, and modes say nothing there.
  const ourUid = process.geteuid?.();
  if (ourUid === undefined) return [];
  try {
    const status = await stat(named.file);
    return status.isFile() ? accessFindings(named, status, ourUid) : [];
  } catch {
    return [];
  }
}

const groupMayRead = 0o040;
const othersMayRead = 0o004;
const othersMayWrite = 0o002;

/** `ourUid` is the user that this process runs as. */
export function accessFindings(
  { subject, isSecret }: Pick<NamedFile, 'subject' | 'isSecret'>,
  { uid, mode }: { readonly uid: number; readonly mode: number },
  ourUid: number,
): readonly Finding[] {
  const at = about('file-permissions', subject);
  const findings: Finding[] = [];
  const octal = `0${(mode & 0o777).toString(8)}`;
  const readers = isSecret ? readersOf(uid, mode, ourUid) : undefined;
  if (readers !== undefined) {
    const advice = 'make it 0600, or set defaultMode: 0400 for the volume of a Secret';
    findings.push(at('warning', `holds secrets and can be read by ${readers} (mode ${octal}): ${advice}`));
  }
  if ((mode & othersMayWrite) !== 0) {
    const danger = 'who then decides who may scrape: chmod o-w';
    findings.push(at('warning', `can be written by everybody (mode ${octal}), ${danger}`));
  }
  return findings;
}

function readersOf(uid: number, mode: number, ourUid: number): string | undefined {
  if ((mode & othersMayRead) !== 0) return 'everybody';
  // Another user's file is read through its group: by design where a Pod has an fsGroup.
  return uid === ourUid && (mode & groupMayRead) !== 0 ? 'its group' : undefined;
}
