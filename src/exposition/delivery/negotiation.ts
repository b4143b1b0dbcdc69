import { contentTypes, type ExpositionFormat, parseMediaType } from '../text-format/exposition-format.js';

/** As the Content-Encoding header names it. */
export type ContentCoding = 'gzip' | 'zstd';

export interface NegotiatedFormat {
  readonly format: ExpositionFormat;
  /** As Prometheus' own libraries write it, with the escaping of names that was negotiated. */
  readonly contentType: string;
  /** The text format's content type, which every scraper reads: for what OpenMetrics cannot express. */
  readonly fallback?: string;
}

/** A longer header than any scraper sends is ignored (characters). */
const maxHeaderLength = 2048;

/** Names of prom-client are letters, digits, `_` and `:`, so both of these leave them as they are. */
const escapings: ReadonlySet<string> = new Set(['underscores', 'allow-utf-8']);

/**
 * The format that an Accept header prefers (RFC 9110, 12.5.1), as Kubernetes' and Prometheus' handlers find it: the
 * clause of the highest weight that names a known format, else the text format. Wildcards stand for the text format.
 *
 * @param offersOpenMetrics otherwise it is always the text format.
 */
export function negotiateFormat(accept: string, offersOpenMetrics: boolean): NegotiatedFormat {
  let escaping = 'underscores';
  for (const clause of clausesOf(accept)) {
    // An escaping also holds for the formats that come after it.
    if (escapings.has(clause.escaping)) escaping = clause.escaping;
    const format = formatOf(clause);
    if (format === 'text') return answer(format, escaping);
    if (format !== 'openmetrics' || !offersOpenMetrics) continue;
    return { ...answer(format, escaping), fallback: answer('text', escaping).contentType };
  }
  return answer('text', escaping);
}

function answer(format: ExpositionFormat, escaping: string): NegotiatedFormat {
  return { format, contentType: `${contentTypes[format]}; escaping=${escaping}` };
}

function formatOf({ type, version }: Clause): ExpositionFormat | undefined {
  switch (type) {
    case '*/*':
    case 'text/*':
      return 'text';
    case 'text/plain':
      return version === '' || version === '0.0.4' ? 'text' : undefined;
    case 'application/openmetrics-text':
      return version === '' || version === '1.0.0' ? 'openmetrics' : undefined;
    default:
      return undefined;
  }
}

/** By weight, the highest first; of equal weight, wildcards last. */
function clausesOf(accept: string): readonly Clause[] {
  if (accept === '' || accept.length > maxHeaderLength) return [];
  return accept
    .split(',')
    .map(parseClause)
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || Number(a.type.includes('*')) - Number(b.type.includes('*')));
}

type Clause = ReturnType<typeof parseClause>;

function parseClause(text: string) {
  const { essence = '', parameters } = parseMediaType(text) ?? {};
  const parameter = (name: string): string => parameters?.get(name)?.toLowerCase() ?? '';
  const weight = parameters?.get('q') ?? '1';
  return {
    type: essence,
    version: parameter('version'),
    escaping: parameter('escaping'),
    weight: /^[01](?:\.\d{0,9})?$/.test(weight) ? Number(weight) : 0,
  };
}

/**
 * The coding that an Accept-Encoding header (RFC 9110, 12.5.3) prefers among those offered; identity where it asks for
 * none. Of equal weights identity wins where the header names it, then the first offered, as in Prometheus' own
 * handler. A header longer than 2 KiB, or a malformed member, asks for nothing.
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

/** By the coding's name; the highest weight where one is named twice. */
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
