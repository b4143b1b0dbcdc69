import type { LabelSpans } from '../text-format/labels.js';

/**
 * What becomes of labels whose names are given to others, by their place in the line; undefined where none is. As
 * Prometheus names them where it does not honour them: `exported_` as often as the line has no such label yet.
 */
export function exportedNames(
  bytes: Buffer,
  spans: LabelSpans,
  given: ReadonlySet<string>,
): ReadonlyMap<number, string> | undefined {
  const names: string[] = [];
  for (let at = 0; at < spans.length; at += 4) names.push(bytes.toString('latin1', spans[at], spans[at + 1]));
  if (!names.some((name) => given.has(name))) return undefined;
  const taken = new Set([...given, ...names]);
  const exported = new Map<number, string>();
  for (const [place, name] of names.entries()) {
    if (!given.has(name)) continue;
    let newName = `exported_${name}`;
    while (taken.has(newName)) newName = `exported_${newName}`;
    taken.add(newName);
    exported.set(place, newName);
  }
  return exported;
}
