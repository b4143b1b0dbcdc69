import { parse } from 'csv-parse/sync';
import { timingSafeEqual } from 'node:crypto';
import { TokenFileError } from '../authentication-errors.js';
import { refused, type Authentication, type Authenticator } from '../authenticator.js';
import type { Identity } from '../identity.js';
import { bearerToken, TokenDigest } from './bearer-token.js';

export interface TokenFileOptions {
  /** The file's text. */
  readonly text: string;
  /** The file's name, for messages. */
  readonly file: string;
}

const unknown = refused('unknown token');

/**
 * Kubernetes' static token file: CSV of token, user name, user uid and, optionally, groups separated by
 * commas in one quoted field.
 *
 * Tokens are stored and looked up as digests, so that the time of a look-up reveals nothing about a token.
 *
 * @throws TokenFileError
 */
export function tokenFileAuthenticator({ text, file }: TokenFileOptions): Authenticator {
  const digests = new TokenDigest();
  const entryOf = (token: string, authentication: Authentication) => ({
    digest: Buffer.from(digests.of(token)),
    authentication,
  });
  const known = new Map<string, ReturnType<typeof entryOf>>();
  for (const { token, identity } of tokensIn(text, file)) {
    known.set(digests.of(token), entryOf(token, Object.freeze({ kind: 'authenticated', identity })));
  }
  // Compared with an unknown token, so that it takes as long as a known one.
  const nobody = entryOf('', unknown);
  return {
    name: 'token-file',
    authenticate(credentials) {
      const token = bearerToken(credentials);
      if (typeof token !== 'string') return token;
      const digest = digests.of(token);
      const entry = known.get(digest) ?? nobody;
      return timingSafeEqual(entry.digest, Buffer.from(digest)) ? entry.authentication : unknown;
    },
  };
}

function* tokensIn(
  text: string,
  file: string,
): Generator<{ readonly token: string; readonly identity: Identity }> {
  const seen = new Map<string, number>();
  for (const { record, line } of readRecords(text, file)) {
    const [token = '', name = '', uid = '', groups = ''] = record;
    const fail = (what: string): TokenFileError => new TokenFileError(`${file}:${line}: ${what}`);
    if (record.length < 3) throw fail('expected at least 3 columns: token, user name, user uid');
    if (record.length > 4) throw fail('more than 4 columns: several groups go into one quoted column');
    if (token === '') throw fail('the token is empty');
    if (/[^\x21-\x7e]/.test(token)) throw fail('the token holds a character that no header can carry');
    if (name === '') throw fail('the user name is empty');
    const groupNames = groups === '' ? [] : groups.split(',');
    if (groupNames.includes('')) throw fail('a group name is empty');
    const first = seen.get(token);
    if (first !== undefined) throw fail(`the token stands in line ${first} already`);
    seen.set(token, line);
    yield {
      token,
      identity: Object.freeze({
        name,
        ...(uid !== '' && { uid }),
        groups: Object.freeze(groupNames),
        extra: Object.freeze({}),
      }),
    };
  }
}

function readRecords(text: string, file: string): readonly { record: readonly string[]; line: number }[] {
  try {
    const rows: unknown = parse(text, { relax_column_count: true, skip_empty_lines: true, info: true });
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
