/** The sum of each name's samples in an exposition of Prometheus' text format or OpenMetrics, without timestamps. */
export function sumsOf(exposition: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const line of exposition.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [name = ''] = /^[^\s{]+/.exec(line) ?? [];
    const value = Number(line.slice(line.lastIndexOf(' ') + 1).replace('Inf', 'Infinity'));
    sums.set(name, (sums.get(name) ?? 0) + value);
  }
  return sums;
}

export interface Difference {
  readonly name: string;
  /** Undefined where there is none. */
  readonly found: number | undefined;
  readonly expected: number | undefined;
}

/** What is not the same in both; sums of floats depend on the order in which they are added. */
export function differences(
  found: ReadonlyMap<string, number>,
  expected: ReadonlyMap<string, number>,
): readonly Difference[] {
  return [...new Set([...found.keys(), ...expected.keys()])]
    .map((name) => ({ name, found: found.get(name), expected: expected.get(name) }))
    .filter((both) => !isSame(both.found, both.expected));
}

function isSame(a: number | undefined, b: number | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
}
