/**
 * The first line of a header, by its lower-case name. Looks at the lines as they came: taking all headers apart, as
 * Node does it, costs more than the rest of most requests.
 */
export function headerLine(rawHeaders: readonly string[], name: string): string | undefined {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const candidate = rawHeaders[at];
    if (candidate?.length === name.length && candidate.toLowerCase() === name) return rawHeaders[at + 1];
  }
  return undefined;
}
