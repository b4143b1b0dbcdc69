import { valueOf, type GivenOptions, type Option } from '../../options/option.js';
import { startOptions, startTopics } from '../../options/start-topics.js';
import { tls } from '../../options/tls-options.js';
import { readFileSync, statSync } from 'node:fs';

/** The option that needs this one, if any. */
export function partnerOf(name: string): string | undefined {
  const pairs = startTopics.flatMap(({ options, rules }) => {
    const byKey: Readonly<Record<string, Option>> = options;
    return rules.flatMap((rule) =>
      rule.kind === 'together' ? [rule.keys.map((key) => byKey[key]?.name)] : [],
    );
  });
  return pairs.find((pair) => pair.includes(name as Option['name']))?.find((other) => other !== name);
}

/** The values without some options. */
export function withoutFlags(values: GivenOptions, names: readonly (string | undefined)[]): GivenOptions {
  const keys = new Set(startOptions.filter(({ name }) => names.includes(name)).map(({ key }) => key));
  return Object.fromEntries(Object.entries(values).filter(([key]) => !keys.has(key)));
}

/** An option that names a file, and the given path. */
export interface GivenFile {
  readonly option: Option;
  readonly file: string;
  /** For findings. */
  readonly subject: string;
  /** Whether it must not be readable by others. */
  readonly isSecret: boolean;
}

export function givenFile(values: GivenOptions, option: Option): GivenFile | undefined {
  return filesOf(values, option)[0];
}

function filesOf(values: GivenOptions, option: Option): readonly GivenFile[] {
  return textsOf(values, option).map((file) => namedFile(option, file, option.file?.secret === true));
}

function namedFile(option: Option, file: string, isSecret: boolean): GivenFile {
  return { option, file, subject: `${option.name} ${file}`, isSecret };
}

/** The given values of an option, as written. */
export function textsOf(values: GivenOptions, { key }: Option): readonly string[] {
  const given = values[key];
  if (given === undefined) return [];
  return typeof given === 'object' ? given : [String(given)];
}

/** All that are given. */
export function givenFiles(values: GivenOptions): readonly GivenFile[] {
  return [
    ...startOptions.filter(({ kind }) => kind === 'file').flatMap((option) => filesOf(values, option)),
    ...givenSniPairs(values).flat(),
  ];
}

/** Certificate and key of each pair; empty if the option is invalid. */
export function givenSniPairs(values: GivenOptions): readonly (readonly [GivenFile, GivenFile])[] {
  const option = tls.options.tlsSniCertKey;
  try {
    return valueOf(option, values).map(({ certificateFile, keyFile }) => [
      namedFile(option, certificateFile, false),
      namedFile(option, keyFile, true),
    ]);
  } catch {
    return [];
  }
}

/** The PEM text of a file that an option names, if it can be read. */
export function givenText(
  values: GivenOptions,
  option: Option,
): { readonly subject: string; readonly pem: string } | undefined {
  const given = givenFile(values, option);
  const pem = readGiven(given);
  return given && pem !== undefined ? { subject: given.subject, pem } : undefined;
}

/** The text of a file whose flag is valid; undefined for a pipe, which would block forever. */
export function readGiven(given: GivenFile | undefined): string | undefined {
  if (given === undefined) return undefined;
  try {
    return statSync(given.file).isFile() ? readFileSync(given.file, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}
