import type { ContentCoding } from './content-coding.js';

/** No scraper sends longer ones. */
const maxHeaderLength = 2048;

/**
 * The coding that an Accept-Encoding header (RFC 9110, 12.5.3) asks for first, of those offered; identity where none
 * is asked for. Of equal weight it is identity where that is named, too, then the first offered: as Prometheus' own
 * handler chooses. What is malformed, or longer than 2 KiB, asks for nothing.
 */
export function negotiateCoding(
  acceptEncoding: string,
  offered: readonly ContentCoding[],
): ContentCoding | 'identity' {
  if (acceptEncoding === '' || acceptEncoding.length > maxHeaderLength) return 'identity';
  const weights = weightsOf(acceptEncoding);
  const ofOthers = weights.get('*') ?? 0;
  let best: ContentCoding | 'identity' = 'identity';
  let bestWeight = weights.get('identity') ?? ofOthers;
  for (const coding of offered) {
    const weight = weights.get(coding) ?? ofOthers;
    if (weight > bestWeight) [best, bestWeight] = [coding, weight];
  }
  return best;
}

/** By the coding's name; the heaviest where one is named again. */
function weightsOf(acceptEncoding: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const member of acceptEncoding.split(',')) {
    const [, name, weight = '1'] =
      /^[ \t]*([\w!#$%&'*+.^`|~-]+)[ \t]*(?:;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)[ \t]*)?$/i.exec(
        member,
      ) ?? [];
    if (name === undefined) continue;
    const coding = name.toLowerCase();
    weights.set(coding, Math.max(weights.get(coding) ?? 0, Number(weight)));
  }
  return weights;
}
