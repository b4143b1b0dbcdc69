import { flagName, valueOf, type GivenOptions, type Option } from '../../options/option.js';
import { startOptions, startTopics } from '../../options/start-topics.js';
import { tls } from '../../options/tls-options.js';
import { readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { policy } from '../../options/policy-options.js';
import { inCluster } from '../../kubernetes/kubeconfig/in-cluster.js';
import { finding, those, type Finding } from './finding.js';

/** The names of options that need each other. */
const pairs: readonly (readonly string[])[] = startTopics.flatMap(({ rules }) =>
  rules.flatMap((rule) => (rule.kind === 'together' ? [rule.keys.map(flagName)] : [])),
);

/** The values without those of a flag, and of the one that needs it. */
export function withoutFlag(values: GivenOptions, name: string): GivenOptions {
  const left = pairs.find((pair) => pair.includes(name)) ?? [name];
  return Object.fromEntries(Object.entries(values).filter(([key]) => !left.includes(flagName(key))));
}

type GivenFile = ReturnType<typeof fileOf>;

/** A file that an option names. */
function fileOf(option: Option, file: string, isSecret = option.file?.secret === true) {
  return {
    option,
    file,
    isSecret,
    subject: `${option.name} ${file}`,
    /** Undefined if it cannot be read, and for a pipe, which would block forever. */
    get text() {
      try {
        return statSync(file).isFile() ? readFileSync(file, 'utf8') : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

export function givenFile(values: GivenOptions, option: Option): GivenFile | undefined {
  return textsOf(values, option).map((file) => fileOf(option, file))[0];
}

export function textsOf(values: GivenOptions, { key }: Option): readonly string[] {
  const given = values[key];
  if (given === undefined) return [];
  return typeof given === 'object' ? given : [String(given)];
}

function givenFiles(values: GivenOptions): readonly GivenFile[] {
  const options = startOptions.filter(({ kind }) => kind === 'file');
  return [
    ...options.flatMap((option) => textsOf(values, option).map((file) => fileOf(option, file))),
    ...givenSniPairs(values).flat(),
  ];
}

/** Certificate and key of each pair; empty if the option is invalid. */
export function givenSniPairs(values: GivenOptions): readonly (readonly [GivenFile, GivenFile])[] {
  const option = tls.options.tlsSniCertKey;
  try {
    return valueOf(option, values).map(({ certificateFile, keyFile }) => [
      fileOf(option, certificateFile),
      fileOf(option, keyFile, true),
    ]);
  } catch {
    return [];
  }
}

/**
 * Looks at the files that flags name, without reading them: others can neither read a secret nor write what decides
 * access. A missing file is a fault that its reader finds. `values` are without the files that can be read once only, or
 * never end.
 */
export async function lookAtFiles(given: GivenOptions) {
  const findings: Finding[] = [];
  let values = given;
  for (const named of givenFiles(given)) {
    const { option, file, subject } = named;
    const { name, file: use } = option;
    // The pod's own files are its kubelet's, and the snapshot reader checks its own location.
    if (use?.kubeconfig === true && file === inCluster) continue;
    if (name === policy.options.policySnapshot.name) continue;
    const status = await stat(file).catch(() => undefined);
    // Its reader refuses a file that must be regular and is not.
    const isRegular = use?.followed === true || use?.kubeconfig === true;
    if (status?.isFile() === true) findings.push(...accessFindings(named, status));
    else if (!isRegular && status?.isDirectory() === false) {
      const message = 'is not a regular file: start may be able to read it, but it cannot be checked here';
      findings.push(finding('warning', 'flag', subject, message));
      values = withoutFlag(values, name);
    }
  }
  return { findings, values };
}

const groupMayRead = 0o040;
const othersMayRead = 0o004;
const othersMayWrite = 0o002;

/** `ourUid` is the user that this process runs as. Windows has no uids, and its file modes mean nothing. */
export function accessFindings(
  { subject, isSecret }: Pick<GivenFile, 'subject' | 'isSecret'>,
  { uid, mode }: { readonly uid: number; readonly mode: number },
  ourUid = process.geteuid?.(),
): readonly Finding[] {
  if (ourUid === undefined) return [];
  const octal = `0${(mode & 0o777).toString(8)}`;
  const isForAll = (mode & othersMayRead) !== 0;
  // Another user's file is read through its group, as in a Pod with an fsGroup.
  const isForGroup = uid === ourUid && (mode & groupMayRead) !== 0;
  return those(
    [
      isSecret && (isForAll || isForGroup),
      `contains secrets and can be read by ${isForAll ? 'everybody' : 'its group'} (mode ${octal}): make it 0600, or set defaultMode: 0400 for the volume of a Secret`,
    ],
    [
      (mode & othersMayWrite) !== 0,
      `can be written by every local user (mode ${octal}), who could then grant themselves access: chmod o-w`,
    ],
  ).map((message) => finding('warning', 'file-permissions', subject, message));
}
