import { malformed, ReviewFields } from '../../kubernetes/reviews/review-fields.js';
import { frozenIdentity, type Identity } from '../identity.js';

/** The `status` of a TokenReview. */
export type TokenReviewStatus =
  | {
      readonly kind: 'authenticated';
      /** Frozen. */
      readonly identity: Identity;
      /** The requested audiences that the token is for; empty if the reviewer does not know audiences. */
      readonly audiences: readonly string[];
    }
  /** `error` is the reviewer's text, or empty. */
  | { readonly kind: 'not-authenticated'; readonly error: string };

/** The size of one user, groups and extra included (characters): thousands are remembered. */
const maxIdentityLength = 64 * 1024;

/** @throws ReviewError for anything else, or a status that contradicts itself. */
export function parseTokenReviewStatus(value: unknown): TokenReviewStatus {
  const status = new ReviewFields(value, 'status', ['authenticated', 'user', 'audiences', 'error']);
  const error = status.string('error');
  const audiences = status.strings('audiences');
  const identity = identityIn(status.fields('user', ['username', 'uid', 'groups', 'extra']));
  if (!status.boolean('authenticated')) return { kind: 'not-authenticated', error };
  if (error !== '') throw malformed('status is authenticated, with an error');
  if (identity.name === '') throw malformed('status is authenticated, without a username');
  return { kind: 'authenticated', identity, audiences };
}

function identityIn(user: ReviewFields): Identity {
  const name = user.string('username');
  const uid = user.string('uid');
  const groups = user.strings('groups');
  const extra = user.stringsByKey('extra');
  const strings = [name, uid, ...groups, ...extra.flatMap(([key, values]) => [key, ...values])];
  // An empty string takes memory, too.
  const length = strings.reduce((sum, text) => sum + text.length + 1, 0);
  if (length > maxIdentityLength) throw malformed('status.user is larger than is remembered');
  return frozenIdentity(name, groups, uid, extra);
}

/** Fewer characters of a token reveal nothing, and occur in many words. */
const minPieceLength = 8;
const tokenRun = /[^\s"'`()[\]{}<>,;]{8,}/g;

/**
 * A text from another server about a token, with `[token]` in place of the token and of words that contain 8 characters
 * of it. For texts of a few hundred characters.
 */
export function withoutToken(text: string, token: string): string {
  const withoutWhole = token === '' ? text : text.replaceAll(token, '[token]');
  const pieces = piecesInBoth(withoutWhole, token);
  const hasPiece = (run: string): boolean => piecesOf(run).some((piece) => pieces.has(piece));
  return pieces.size === 0
    ? withoutWhole
    : withoutWhole.replace(tokenRun, (run) => (hasPiece(run) ? '[token]' : run));
}

/** Looked up in the short text: searching a token made for it would be slow. */
function piecesInBoth(text: string, token: string): ReadonlySet<string> {
  const pieces = new Set(piecesOf(text));
  const found = new Set<string>();
  for (let start = 0; start + minPieceLength <= token.length; start += 1) {
    const piece = token.slice(start, start + minPieceLength);
    if (pieces.has(piece)) found.add(piece);
  }
  return found;
}

function piecesOf(text: string): readonly string[] {
  const count = Math.max(0, text.length - minPieceLength + 1);
  return Array.from({ length: count }, (_, start) => text.slice(start, start + minPieceLength));
}
