import { timingSafeEqual } from 'node:crypto';
import { createRequire } from 'node:module';
import type * as Csv from 'csv-parse/sync';
import {
  MetricsFilterOptionError,
  aText,
  checkArgument,
  checkOptions,
  faultIn,
  listOf,
  must,
  optional,
  texts,
  type Check,
} from '../../option-checks.js';
import { TokenFileError } from '../authentication-errors.js';
import { refused, type Authentication, type Authenticator } from '../authenticator.js';
import { frozenIdentity, type Identity } from '../identity.js';
import { bearerToken, tokenDigest } from './bearer-token.js';

export interface TokenFileOptions {
  readonly text: string;
  /** The file's name, for messages. */
  readonly file: string;
}

const unknown = refused('unknown token');

/**
 * Kubernetes' static token file: CSV of token, user name, user uid and, optionally, groups separated by
 * commas in one quoted field.
 * @throws TokenFileError
 */
export function tokenFileAuthenticator(options: TokenFileOptions): Authenticator {
  checkOptions(options, { text: aText, file: aText });
  const { text, file } = options;
  return tokenAuthenticator('token-file', tokensIn(text, file));
}

/** A static bearer token and who presents it. */
export interface BearerToken {
  /** As it stands in the Authorization header; kept as a digest. */
  readonly token: string;
  readonly user: string;
  readonly groups?: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Authenticates by tokens that a program holds. @throws MetricsFilterOptionError for `bearerTokens`, quoting none. */
export function bearerTokenAuthenticator(tokens: readonly BearerToken[]): Authenticator {
  const option = 'bearerTokens';
  checkArgument(option, tokens, must('a list of { token, user }', Array.isArray));
  const seen = new Set<string>();
  const entries = tokens.map((given, at): StaticToken => {
    const isRepeated = isRecord(given) && typeof given.token === 'string' && seen.has(given.token);
    const fault = isRepeated ? 'token: is given twice' : bearerTokenFault(given);
    if (fault !== undefined) throw new MetricsFilterOptionError(option, `[${at}]: ${fault}`);
    const { token, user: name, groups = [], uid, extra = {} } = given;
    seen.add(token);
    return { token, identity: frozenIdentity(name, groups, uid, Object.entries(extra)) };
  });
  return tokenAuthenticator('bearer-tokens', entries);
}

/** What a header can carry. */
const sendable = /^[\x21-\x7e]+$/;
const names = listOf('names', (name) =>
  typeof name === 'string' && name !== '' ? undefined : 'pass a name',
);
const extraLists = must(
  'an object of lists of strings',
  (value) => isRecord(value) && Object.values(value).every((list) => texts(list) === undefined),
);
const bearerTokenFields: Readonly<Record<keyof BearerToken, Check>> = {
  token: must('printable ASCII without blanks', (token) => typeof token === 'string' && sendable.test(token)),
  user: must('a name', (name) => typeof name === 'string' && name !== ''),
  groups: optional(names),
  uid: optional(aText),
  extra: optional(extraLists),
};

/** Says nothing of a field that is unknown but that there is one: its name may be a token. */
function bearerTokenFault(given: unknown): string | undefined {
  if (!isRecord(given)) return 'pass { token, user }';
  const besides = 'has a field besides token, user, groups, uid and extra';
  const fault = faultIn(given, bearerTokenFields, besides);
  return fault?.[1] === besides ? besides : fault?.join(': ');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface StaticToken {
  readonly token: string;
  readonly identity: Identity;
}

/** Tokens are looked up as digests, so that the time of a look-up tells nothing of a token. */
function tokenAuthenticator(name: string, tokens: Iterable<StaticToken>): Authenticator {
  const digestOf = tokenDigest();
  const entryOf = (token: string, authentication: Authentication) => ({
    digest: Buffer.from(digestOf(token)),
    authentication,
  });
  const known = new Map<string, ReturnType<typeof entryOf>>();
  for (const { token, identity } of tokens) {
    known.set(digestOf(token), entryOf(token, Object.freeze({ kind: 'authenticated', identity })));
  }
  // Compared with an unknown token, so that it takes as long as a known one.
  const nobody = entryOf('', unknown);
  return {
    name,
    authenticate(credentials) {
      const token = bearerToken(credentials);
      if (typeof token !== 'string') return token;
      const digest = digestOf(token);
      const entry = known.get(digest) ?? nobody;
      return timingSafeEqual(entry.digest, Buffer.from(digest)) ? entry.authentication : unknown;
    },
  };
}

function* tokensIn(text: string, file: string): Generator<StaticToken> {
  const seen = new Map<string, number>();
  for (const { record, line } of readRecords(text, file)) {
    const [token = '', name = '', uid = '', groups = ''] = record;
    const fail = (what: string): TokenFileError => new TokenFileError(`${file}:${line}: ${what}`);
    if (record.length < 3) throw fail('expected at least 3 columns: token, user name, user uid');
    if (record.length > 4) throw fail('more than 4 columns: several groups go into one quoted column');
    if (token === '') throw fail('the token is empty');
    if (!sendable.test(token)) throw fail('the token holds a character that no header can carry');
    if (name === '') throw fail('the user name is empty');
    const groupNames = groups === '' ? [] : groups.split(',');
    if (groupNames.includes('')) throw fail('a group name is empty');
    const first = seen.get(token);
    if (first !== undefined) throw fail(`the token stands in line ${first} already`);
    seen.set(token, line);
    yield { token, identity: frozenIdentity(name, groupNames, uid) };
  }
}

let csv: typeof Csv | undefined;

/** Loaded by the first file that needs it; in one file, where an import would load ten. */
function csvLibrary(): typeof Csv {
  csv ??= createRequire(import.meta.url)('csv-parse/sync') as typeof Csv;
  return csv;
}

function readRecords(text: string, file: string): readonly { record: readonly string[]; line: number }[] {
  try {
    const options = { relax_column_count: true, skip_empty_lines: true, info: true };
    const rows: unknown = csvLibrary().parse(text, options);
    return (rows as { record: string[]; info: { lines: number } }[]).map(({ record, info }) => ({
      record,
      line: info.lines,
    }));
  } catch (error) {
    // The parser's message may quote the line with its token.
    const { lines } = error as { lines?: number };
    throw new TokenFileError(`${file}:${lines ?? 1}: not valid CSV`);
  }
}
