import { headerLine, requestTarget, type Request } from '../middleware.js';

export type ObjectMediaType = 'application/json' | 'application/yaml';

/** Programs whose output people read; Kubernetes indents for them. */
const readByPeople = /^(?:curl|Wget|Mozilla\/5\.0)/;
/** Those of Go's strconv.ParseBool. */
const trueWords: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'True', 'TRUE']);
const unsafeInHtml = /[<>&\u2028\u2029]/g;

/**
 * An object as kube-apiserver writes it, to the byte: JSON on a line of its own; or indented, and then without a line
 * feed, as it is also where no clause of the Accept header was accepted.
 */
export function objectBody(
  request: Request,
  object: PlainObject,
  accepted: Accepted<ObjectMediaType> | undefined,
): { readonly mediaType: ObjectMediaType; readonly body: string } {
  if (accepted?.mediaType === 'application/yaml')
    return { mediaType: 'application/yaml', body: yamlOf(object) };
  const isIndented = accepted === undefined || accepted.isPretty || isForPeople(request);
  const json = JSON.stringify(object, null, isIndented ? 2 : undefined).replace(unsafeInHtml, escapeAsGo);
  return { mediaType: 'application/json', body: isIndented ? json : `${json}\n` };
}

/** The parameter `pretty` decides, and without it the user agent. */
function isForPeople(request: Request): boolean {
  const target = requestTarget(request);
  const query = target.includes('pretty') ? target.slice(target.indexOf('?') + 1) : '';
  const pretty = new URLSearchParams(query).get('pretty') ?? '';
  return pretty === '' ? readByPeople.test(headerLine(request, 'user-agent') ?? '') : trueWords.has(pretty);
}

function escapeAsGo(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The media type that an Accept header gets, and whether it asks for indentation. */
export interface Accepted<Type extends string> {
  readonly mediaType: Type;
  readonly isPretty: boolean;
}

export type MediaTypeParameters = ReadonlyMap<string, string>;

interface Clause {
  readonly type: string;
  readonly weight: number;
  readonly parameters: MediaTypeParameters;
}

/** No client sends longer ones: nothing is accepted. */
const maxAcceptLength = 2048;
/** No two parts of it take the same digits: one that does not fit is rejected in linear time. */
const decimal = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$/;

/**
 * The first of the offers that an Accept header accepts, as kube-apiserver negotiates it (k8s.io/apiserver,
 * pkg/endpoints/handlers/negotiation): clauses in its order, in each the offers in theirs; a weight of 0 excludes
 * nothing. Undefined where no clause accepts any.
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

/** Sorted as Go sorts a few, since the comparison is not consistent: a named type overtakes any wildcard. */
function clausesOf(accept: string): readonly Clause[] {
  if (accept.length > maxAcceptLength) return [];
  const sorted: Clause[] = [];
  for (const part of accept.split(',')) {
    const clause = parseClause(part);
    if (clause === undefined) continue;
    let at = sorted.length;
    while (at > 0 && precedes(clause, sorted[at - 1])) at -= 1;
    sorted.splice(at, 0, clause);
  }
  return sorted;
}

function precedes(a: Clause, b: Clause | undefined): boolean {
  if (b === undefined) return false;
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

/** Not a regular expression, which takes quadratic time with many blanks inside. */
function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text[start] === ' ') start += 1;
  while (end > start && text[end - 1] === ' ') end -= 1;
  return text.slice(start, end);
}

type PlainValue = string | number | null | readonly string[] | PlainObject;

export interface PlainObject {
  readonly [key: string]: PlainValue;
}

/** A line goes on below at the first single blank behind this column. */
const width = 80;
/** What a reader of YAML 1.1 does not take for text. */
const notText =
  /^(?:|~|<<|null|true|false|yes|no|on|off|y|n|[-+]?(?:0[box][\da-f_]+|\.?\d[\d_]*(?:\.[\d_]*)?(?:e[-+]?\d+)?|\.inf|\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?)|\.nan|\d{4}-\d\d?-\d\d?(?:[t ]\d\d?:[\d:.]+(?:z|[-+]\d\d:\d\d)?)?)$/i;
const needsEscapes = /[^\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/u;
const needsQuotes = /^(?:[-?:](?: |$)|[#,[\]{}&*!|>'"%@`]|---|\.\.\.| )|: |:$| #| $/;

/** An object as Kubernetes writes it in YAML (sigs.k8s.io/yaml): keys in order, each on its line. */
export function yamlOf(object: PlainObject, indent = ''): string {
  const below = `${indent}  `;
  const line = (start: string, value: string | number | null): string =>
    `${start} ${folded(scalar(value), start.length + 1, below)}\n`;
  return Object.entries(object)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => {
      const name = `${indent}${scalar(key)}:`;
      if (isList(value)) {
        if (value.length === 0) return `${name} []\n`;
        return `${name}\n${value.map((item) => line(`${indent}-`, item)).join('')}`;
      }
      if (value === null || typeof value !== 'object') return line(name, value);
      return Object.keys(value).length === 0 ? `${name} {}\n` : `${name}\n${yamlOf(value, below)}`;
    })
    .join('');
}

function isList(value: PlainValue): value is readonly string[] {
  return Array.isArray(value);
}

function scalar(value: string | number | null): string {
  if (typeof value !== 'string') return String(value);
  if (needsEscapes.test(value) || notText.test(value)) return doubleQuoted(value);
  return needsQuotes.test(value) ? `'${value.replaceAll("'", "''")}'` : value;
}

/** JSON's escapes are YAML's, which wants some more of them. */
function doubleQuoted(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\u{10000}-\u{10ffff}]/gu,
    (character) => {
      const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
      return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`;
    },
  );
}

/** `column`: where the text begins. */
function folded(text: string, column: number, indent: string): string {
  if (column + text.length <= width) return text;
  const last = text.length - 2;
  return text.replace(/./gsu, (character, at: number) => {
    const isSingle = character === ' ' && text[at - 1] !== ' ' && text[at + 1] !== ' ';
    const breaks = isSingle && column > width && at < last;
    column = breaks ? indent.length : column + 1;
    return breaks ? `\n${indent}` : character;
  });
}
