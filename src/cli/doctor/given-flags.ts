import { keyOf, listOf, valueOf, type Flag, type FlagValues } from '../../options/flags.js';
import { sniPairsOf, tlsSniCertKey } from '../../options/serving/sni-flags.js';
import { startFlags } from '../../options/start-topics.js';

/** A flag of `start`. Throws RangeError for a name that it does not have. */
export function flagNamed(name: Flag['name']): Flag {
  const flag = startFlags.find((candidate) => candidate.name === name);
  if (flag === undefined) throw new RangeError(`start has no flag ${name}`);
  return flag;
}

/** Makes no sense without the other, if there is one. */
export function partnerOf(name: string): Flag['name'] | undefined {
  switch (name) {
    case '--tls-cert-file':
      return '--tls-private-key-file';
    case '--tls-private-key-file':
      return '--tls-cert-file';
    case '--upstream-client-cert-file':
      return '--upstream-client-key-file';
    case '--upstream-client-key-file':
      return '--upstream-client-cert-file';
    default:
      return undefined;
  }
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

function filesOf(values: FlagValues, flag: Flag): readonly string[] {
  if (flag.isList === true) return listOf(values, flag);
  const file = valueOf(values, flag);
  return file === undefined ? [] : [file];
}

/** All that are given. */
export function givenFiles(values: FlagValues): readonly GivenFile[] {
  return [
    ...startFlags
      .filter(({ value }) => value === 'file' || value === 'files')
      .flatMap((flag) =>
        filesOf(values, flag).map((file) => ({ flag, file, subject: `${flag.name} ${file}` })),
      ),
    ...givenSniPairs(values).flat(),
  ];
}

/** Certificate and key of each pair; none where one cannot be read, which is told of already. */
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
