import { readFileSync, statSync } from 'node:fs';
import { keyOf, listOf, valueOf, type Flag, type FlagValues } from '../../options/flags.js';
import { sniPairsOf, tlsSniCertKey } from '../../options/serving/sni-flags.js';
import { startFlags } from '../../options/start-topics.js';

/** A flag of `start`. @throws RangeError for a name that it does not have. */
export function flagNamed(name: Flag['name']): Flag {
  const flag = startFlags.find((candidate) => candidate.name === name);
  if (flag === undefined) throw new RangeError(`start has no flag ${name}`);
  return flag;
}

/** Flags of which neither makes sense without the other. */
const partners = [
  ['--tls-cert-file', '--tls-private-key-file'],
  ['--upstream-client-cert-file', '--upstream-client-key-file'],
] as const;

export function partnerOf(name: string): Flag['name'] | undefined {
  return partners.flatMap(([one, other]) => (name === one ? other : name === other ? one : []))[0];
}

/** The same as if flags had not been given. */
export function withoutFlags(values: FlagValues, names: readonly (string | undefined)[]): FlagValues {
  const keys = new Set(startFlags.filter(({ name }) => names.includes(name)).map(keyOf));
  return Object.fromEntries(Object.entries(values).filter(([key]) => !keys.has(key)));
}

/** A flag that names a file, and what was given for it. */
export interface GivenFile {
  readonly flag: Flag;
  readonly file: string;
  /** What findings name. */
  readonly subject: string;
  /** Where the flag names secret files and others. */
  readonly isSecret?: boolean;
}

export function givenFile(values: FlagValues, name: Flag['name']): GivenFile | undefined {
  const flag = flagNamed(name);
  const file = valueOf(values, flag);
  return file === undefined ? undefined : { flag, file, subject: `${name} ${file}` };
}

/** All that are given. */
export function givenFiles(values: FlagValues): readonly GivenFile[] {
  const single = startFlags.filter(({ value }) => value === 'file' || value === 'files');
  return [
    ...single.flatMap((flag) => {
      const files = flag.isList === true ? listOf(values, flag) : [valueOf(values, flag) ?? []].flat();
      return files.map((file) => ({ flag, file, subject: `${flag.name} ${file}` }));
    }),
    ...givenSniPairs(values).flat(),
  ];
}

/** Certificate and key of each pair; none where one cannot be read, which is a fault of the flag. */
export function givenSniPairs(values: FlagValues): readonly (readonly [GivenFile, GivenFile])[] {
  const given = (file: string, isSecret: boolean): GivenFile => ({
    flag: tlsSniCertKey,
    file,
    subject: `${tlsSniCertKey.name} ${file}`,
    isSecret,
  });
  try {
    return sniPairsOf(values).map(({ certificateFile, keyFile }) => [
      given(certificateFile, false),
      given(keyFile, true),
    ]);
  } catch {
    return [];
  }
}

/** The text of a file whose flag has been read already; undefined for a pipe, which would be waited for without end. */
export function readGiven(given: GivenFile | undefined): string | undefined {
  if (given === undefined) return undefined;
  try {
    return statSync(given.file).isFile() ? readFileSync(given.file, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}
