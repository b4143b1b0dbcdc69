import { stat } from 'node:fs/promises';
import { finding, type Finding } from './finding.js';

/** Of a file: whose it is, and its permissions. */
export interface FileAccess {
  readonly uid: number;
  readonly mode: number;
}

export interface NamedFile {
  /** What findings name: flag and file. */
  readonly subject: string;
  readonly file: string;
  /** Holds a private key, tokens or other credentials. */
  readonly isSecret: boolean;
}

const groupMayRead = 0o040;
const othersMayRead = 0o004;
const othersMayWrite = 0o002;

/**
 * Who beside us may read a secret, or write what decides here. What cannot be looked at is left to whoever reads
 * it.
 */
export async function fileFindings(named: NamedFile): Promise<readonly Finding[]> {
  // Users have no numbers on Windows, and modes say nothing there.
  const ourUid = process.geteuid?.();
  if (ourUid === undefined) return [];
  try {
    const status = await stat(named.file);
    return status.isFile() ? accessFindings(named, status, ourUid) : [];
  } catch {
    return [];
  }
}

/** `ourUid` is the user that this process runs as. */
export function accessFindings(
  { subject, isSecret }: Pick<NamedFile, 'subject' | 'isSecret'>,
  { uid, mode }: FileAccess,
  ourUid: number,
): readonly Finding[] {
  const readers = isSecret ? readersOf(uid, mode, ourUid) : undefined;
  const octal = `0${(mode & 0o777).toString(8)}`;
  return [
    ...(readers === undefined
      ? []
      : [
          finding(
            'warning',
            'file-permissions',
            subject,
            `holds secrets and can be read by ${readers} (mode ${octal}): make it 0600, or set defaultMode: 0400 for the volume of a Secret`,
          ),
        ]),
    ...((mode & othersMayWrite) === 0
      ? []
      : [
          finding(
            'warning',
            'file-permissions',
            subject,
            `can be written by everybody (mode ${octal}), who then decides who may scrape: chmod o-w`,
          ),
        ]),
  ];
}

function readersOf(uid: number, mode: number, ourUid: number): string | undefined {
  if ((mode & othersMayRead) !== 0) return 'everybody';
  // A file of somebody else is read through its group: by design where a Pod has an fsGroup.
  return uid === ourUid && (mode & groupMayRead) !== 0 ? 'its group' : undefined;
}
