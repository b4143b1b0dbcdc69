/** What an Accept header got, and whether it asks for it to be indented. */
export interface Accepted<Type extends string> {
  readonly mediaType: Type;
  readonly isPretty: boolean;
}

/** The parameters of a clause, by their names. */
export type MediaTypeParameters = ReadonlyMap<string, string>;

interface Clause {
  readonly type: string;
  readonly weight: number;
  readonly parameters: MediaTypeParameters;
}

/** No client sends longer ones: nothing is accepted. */
const maxAcceptLength = 2048;
const decimal = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;

/**
 * The first of the offers that an Accept header accepts, as kube-apiserver negotiates it (k8s.io/apiserver,
 * pkg/endpoints/handlers/negotiation): clauses in its order, in each the offers in theirs; a weight of 0 excludes
 * nothing. Undefined where no clause accepts any.
 *
 * @param accept empty without a header: the first offer.
 * @param allows whether an offer may be had with the parameters of a clause.
 */
export function negotiate<Type extends string>(
  accept: string,
  offers: readonly Type[],
  allows: (mediaType: Type, parameters: MediaTypeParameters) => boolean,
): Accepted<Type> | undefined {
  const [first] = offers;
  if (accept === '' && first !== undefined) return { mediaType: first, isPretty: false };
  for (const { type, parameters } of clausesOf(accept)) {
    const mediaType = offers.find((offer) => matches(type, offer) && allows(offer, parameters));
    if (mediaType !== undefined) return { mediaType, isPretty: parameters.get('pretty') === '1' };
  }
  return undefined;
}

function matches(range: string, type: string): boolean {
  return range === type || range === '*/*' || range === `${type.slice(0, type.indexOf('/'))}/*`;
}

/** In the order of Go's sort for a few, whose comparison here is not consistent: a named type outruns any wildcard. */
function clausesOf(accept: string): readonly Clause[] {
  if (accept.length > maxAcceptLength) return [];
  const sorted: Clause[] = [];
  for (const part of accept.split(',')) {
    const clause = parseClause(part);
    if (clause === undefined) continue;
    let at = sorted.length;
    for (
      let before = sorted[at - 1];
      before !== undefined && precedes(clause, before);
      before = sorted[at - 1]
    )
      at -= 1;
    sorted.splice(at, 0, clause);
  }
  return sorted;
}

function precedes(a: Clause, b: Clause): boolean {
  if (a.weight > b.weight) return true;
  if (!a.type.startsWith('*/') && b.type.startsWith('*/')) return true;
  return !a.type.endsWith('/*') && b.type.endsWith('/*');
}

function parseClause(text: string): Clause | undefined {
  const [range = '', ...rest] = text.split(';');
  const [main = '', sub = '', ...more] = range.split('/').map(withoutBlanks);
  if (more.join('/') !== '' || (sub === '' && main !== '*')) return undefined;
  const parameters = new Map<string, string>();
  let weight = 1;
  for (const parameter of rest) {
    const [name = '', value = '', ...tail] = parameter.split('=');
    if (value === '' || tail.join('=') !== '') continue;
    if (withoutBlanks(name) === 'q') weight = decimal.test(value) ? Number(value) : 0;
    else parameters.set(withoutBlanks(name), withoutBlanks(value));
  }
  return { type: `${main}/${sub === '' ? '*' : sub}`, weight, parameters };
}

function withoutBlanks(text: string): string {
  return text.replace(/^ +| +$/g, '');
}
