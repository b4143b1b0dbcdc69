import type { Accepted } from './accept.js';
import { requestTarget, type Request } from '../middleware.js';
import { headerLine } from '../raw-header.js';
import { yamlOf, type PlainObject } from './yaml.js';

/** What an object of Kubernetes may be written as. */
export type ObjectMediaType = 'application/json' | 'application/yaml';

export interface ObjectBody {
  readonly mediaType: ObjectMediaType;
  readonly body: string;
}

/** Programs that people look at; Kubernetes indents for them. */
const peopleLook = /^(?:curl|Wget|Mozilla\/5\.0)/;
/** Those of Go's strconv.ParseBool. */
const trueWords: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'True', 'TRUE']);
const unsafeInHtml = /[<>&\u2028\u2029]/g;

/**
 * An object in kube-apiserver's spelling to the byte, for who has asked for it so: JSON on a line of its own, or
 * indented and then without a line feed, as it is also where no clause of the Accept header was.
 */
export function objectBody(
  request: Request,
  object: PlainObject,
  accepted: Accepted<ObjectMediaType> | undefined,
): ObjectBody {
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
  return pretty === ''
    ? peopleLook.test(headerLine(request.rawHeaders, 'user-agent') ?? '')
    : trueWords.has(pretty);
}

function escapeAsGo(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
