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

export function withoutFlags(values: GivenOptions, names: readonly (string | undefined)[]): GivenOptions {
  const keys = new Set(startOptions.filter(({ name }) => names.includes(name)).map(({ key }) => key));
  return Object.fromEntries(Object.entries(values).filter(([key]) => !keys.has(key)));
}

/** A file that an option names. */
export class GivenFile {
  readonly subject: string;

  constructor(
    readonly option: Option,
    readonly file: string,
    readonly isSecret = option.file?.secret === true,
  ) {
    this.subject = `${option.name} ${file}`;
  }

  /** Undefined if it cannot be read, and for a pipe, which would block forever. */
  get text(): string | undefined {
    try {
      return statSync(this.file).isFile() ? readFileSync(this.file, 'utf8') : undefined;
    } catch {
      return undefined;
    }
  }
}

export function givenFile(values: GivenOptions, option: Option): GivenFile | undefined {
  return filesOf(values, option)[0];
}

function filesOf(values: GivenOptions, option: Option): readonly GivenFile[] {
  return textsOf(values, option).map((file) => new GivenFile(option, file));
}

export function textsOf(values: GivenOptions, { key }: Option): readonly string[] {
  const given = values[key];
  if (given === undefined) return [];
  return typeof given === 'object' ? given : [String(given)];
}

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
      new GivenFile(option, certificateFile),
      new GivenFile(option, keyFile, true),
    ]);
  } catch {
    return [];
  }
}
