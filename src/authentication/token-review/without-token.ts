/** Fewer characters of a token tell nothing of the rest, and are in many words. */
const minPieceLength = 8;
const tokenRun = /[^\s"'`()[\]{}<>,;]{8,}/g;

/**
 * A text about a token, which others wrote, with `[token]` in place of the token and of words that have a piece of it
 * (8 characters). For texts of a few hundred characters.
 */
export function withoutToken(text: string, token: string): string {
  const withoutWhole = token === '' ? text : text.replaceAll(token, '[token]');
  return withoutWhole.replace(tokenRun, (run) => (hasPiece(run, token) ? '[token]' : run));
}

function hasPiece(run: string, token: string): boolean {
  for (let start = 0; start + minPieceLength <= run.length; start += 1) {
    if (token.includes(run.slice(start, start + minPieceLength))) return true;
  }
  return false;
}
