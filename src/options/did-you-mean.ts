/** Largest edit distance at which a name is suggested as the one that was meant. */
const maxDistance = 3;
/** Longer names get no suggestion. */
const maxLength = 100;

/** `; did you mean NAME?` with the most similar of `names`; empty if none is similar. */
export function didYouMean(name: string, names: Iterable<string>): string {
  if (name.length > maxLength) return '';
  let advice = '';
  let least = Math.min(maxDistance, Math.ceil(name.length / 3)) + 1;
  for (const candidate of names) {
    const distance = distanceOf(lettersOf(name), lettersOf(candidate));
    if (distance >= least) continue;
    least = distance;
    advice = `; did you mean ${candidate}?`;
  }
  return advice;
}

/** The same for `clientCAFile`, `client-ca-file` and `clientCaFile`. */
function lettersOf(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '');
}

/** The Levenshtein distance. */
function distanceOf(one: string, other: string): number {
  const letters = Array.from(other);
  let row = Array.from({ length: letters.length + 1 }, (_, at) => at);
  for (const [at, letter] of Array.from(one).entries()) {
    const next = [at + 1];
    for (const [column, otherLetter] of letters.entries()) {
      const replaced = (row[column] ?? 0) + (letter === otherLetter ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
