/** Fewer characters of a token tell nothing of the rest, and are in many words. */
const minPieceLength = 8;
const tokenRun = /[^\s"'`()[\]{}<>,;]{8,}/g;

/**
 * A text about a token, which others wrote, with `[token]` in place of the token and of words that have a piece of it
 * (8 characters). For texts of a few hundred characters.
 */
export function withoutToken(text: string, token: string): string {
  const withoutWhole = token === '' ? text : text.replaceAll(token, '[token]');
  const pieces = piecesInBoth(withoutWhole, token);
  const hasPiece = (run: string): boolean => piecesOf(run).some((piece) => pieces.has(piece));
  return pieces.size === 0
    ? withoutWhole
    : withoutWhole.replace(tokenRun, (run) => (hasPiece(run) ? '[token]' : run));
}

/** Each is looked up in the short text: to search the token for them takes long where it was made for that. */
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
