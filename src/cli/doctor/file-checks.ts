import type { GivenOptions } from '../../options/option.js';
import { policy } from '../../options/policy-options.js';
import { inCluster } from '../../kubernetes/kubeconfig/in-cluster.js';
import { stat } from 'node:fs/promises';
import { finding, those, type Finding } from './finding.js';
import { givenFiles, partnerOf, withoutFlags, type GivenFile } from './given-flags.js';

/**
 * Looks at the files that flags name, without reading them. A missing file is a fault that its reader finds. `values` are
 * without the files that can be read once only, or never end.
 */
export async function lookAtFiles(given: GivenOptions) {
  const findings: Finding[] = [];
  let values = given;
  for (const { option, file, subject, isSecret } of givenFiles(given)) {
    const { name, file: use } = option;
    // The pod's own files are its kubelet's, and the snapshot reader checks its own location.
    if (use?.kubeconfig === true && file === inCluster) continue;
    if (name === policy.options.policySnapshot.name) continue;
    // Its reader refuses a file that must be regular and is not.
    const isRegular = use?.followed === true || use?.kubeconfig === true;
    if (!isRegular && (await isPipeOrDevice(file))) {
      const message = 'is not a regular file: start may be able to read it, but it cannot be checked here';
      findings.push(finding('warning', 'flag', subject, message));
      values = withoutFlags(values, [name, partnerOf(name)]);
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

type NamedFile = Pick<GivenFile, 'subject' | 'file' | 'isSecret'>;

/** Checks that others can neither read a secret nor write a file that decides access. */
export async function fileFindings(named: NamedFile): Promise<readonly Finding[]> {
  // Windows has no uids, and its file modes mean nothing.
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
  const octal = `0${(mode & 0o777).toString(8)}`;
  const readers = isSecret ? readersOf(uid, mode, ourUid) : undefined;
  return those(
    [
      readers !== undefined,
      `contains secrets and can be read by ${readers ?? ''} (mode ${octal}): make it 0600, or set defaultMode: 0400 for the volume of a Secret`,
    ],
    [
      (mode & othersMayWrite) !== 0,
      `can be written by every local user (mode ${octal}), who could then grant themselves access: chmod o-w`,
    ],
  ).map((message) => finding('warning', 'file-permissions', subject, message));
}

function readersOf(uid: number, mode: number, ourUid: number): string | undefined {
  if ((mode & othersMayRead) !== 0) return 'everybody';
  // Another user's file is read through its group, as in a Pod with an fsGroup.
  return uid === ourUid && (mode & groupMayRead) !== 0 ? 'its group' : undefined;
}
