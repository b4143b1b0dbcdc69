/** No browser sends longer ones. */
const maxAcceptLength = 2048;

/**
 * Whether an Accept header (RFC 9110, 12.5.1) gives HTML more weight than what programs get, `otherwise`: browsers
 * name it, and programs name nothing or everything alike. What is malformed, or longer than 2 KiB, asks for nothing.
 */
export function prefersHtml(accept: string, otherwise: 'text/plain' | 'application/json'): boolean {
  if (accept === '' || accept.length > maxAcceptLength) return false;
  const weights = weightsOf(accept);
  return weightOf('text/html', weights) > weightOf(otherwise, weights);
}

/** The most specific range that holds the type decides. */
function weightOf(type: string, weights: ReadonlyMap<string, number>): number {
  const [main = ''] = type.split('/');
  return weights.get(type) ?? weights.get(`${main}/*`) ?? weights.get('*/*') ?? 0;
}

/** By the media range, without its parameters; the heaviest where one is named again. */
function weightsOf(accept: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const member of accept.split(',')) {
    const [range = '', ...parameters] = member.split(';').map((part) => part.trim().toLowerCase());
    if (range === '') continue;
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
    const weight = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(quality) ? Number(quality) : 0;
    weights.set(range, Math.max(weights.get(range) ?? 0, weight));
  }
  return weights;
}
