import type { ServerResponse } from 'node:http';
import { errorClass } from '../../error-class.js';
import { negotiate, type MediaTypeParameters } from './accept.js';
import { breakOff, isAnswered, requestTarget, type Request } from '../middleware.js';
import { objectBody, type ObjectMediaType } from './object-body.js';
import { headerLine } from '../raw-header.js';
import { requestState } from '../request-state.js';
import { goQuote } from '../../paths/request-target.js';

/** Kubernetes' `metav1.StatusReason`, as far as it is used here, with its code. */
const codes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  TooManyRequests: 429,
  RequestHeaderFieldsTooLarge: 431,
  ServiceUnavailable: 503,
} as const;

export type StatusReason = keyof typeof codes;

/** Reasons for which Kubernetes fills `details`, with nothing in it for a path that is no resource. */
const detailed: ReadonlySet<StatusReason> = new Set(['Forbidden', 'NotFound', 'MethodNotAllowed']);

/** kube-apiserver serves protobuf as well; to who wants nothing else it is as if nothing were accepted. */
const mediaTypes: readonly ObjectMediaType[] = ['application/json', 'application/yaml'];
/** They ask for another object than a Status. */
const conversions = ['as', 'g', 'v', 'sv'] as const;

/** What Kubernetes writes for characters of names in a message, should a browser take it for HTML. */
const entities: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
]);

/** Answers with a Kubernetes Status as kube-apiserver negotiates it, in its spelling to the byte. */
export function sendStatus(
  request: Request,
  response: ServerResponse,
  reason: StatusReason,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (isAnswered(response)) return;
  const code = codes[reason];
  const hasDetails = detailed.has(reason);
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(hasDetails ? { details: {} } : {}),
    code,
  };
  requestState(request).failure = { message, reason, hasDetails };
  const accepted = negotiate(headerLine(request.rawHeaders, 'accept') ?? '', mediaTypes, allowsStatus);
  const { body, mediaType } = objectBody(request, status, accepted);
  send(request, response, code, body, { ...headers, 'Content-Type': mediaType });
}

/** Answers 403. `act`: what the user cannot do. `suffix`: why, if the client is told. */
export function sendForbidden(
  request: Request,
  response: ServerResponse,
  user: string,
  act: string,
  suffix?: string,
): void {
  const told = withEntities(`User ${goQuote(user)} cannot ${act}`);
  sendStatus(
    request,
    response,
    'Forbidden',
    `forbidden: ${told}${suffix === undefined ? '' : `: ${suffix}`}`,
  );
}

/** Answers in plain text, as Go's `http.Error` does. */
export function sendText(
  request: Request,
  response: ServerResponse,
  code: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(request, response, code, body, { 'Content-Type': 'text/plain; charset=utf-8', ...headers });
}

const gatewayErrors = { 502: 'Bad Gateway\n', 504: 'Gateway Timeout\n' } as const;

/** Says no more than that it was the server behind. In plain text, since Kubernetes has no reason for a 502. */
export function sendGatewayError(request: Request, response: ServerResponse, code: 502 | 504): void {
  sendText(request, response, code, gatewayErrors[code]);
}

/** Says what failed by its class alone: a message may quote what no client should see. */
export function sendInternalError(request: Request, response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    // Half an answer must not look like a whole one.
    breakOff(response);
    return;
  }
  const target = goQuote(requestTarget(request).slice(0, 256));
  sendText(request, response, 500, withEntities(`Internal Server Error: ${target}: ${errorClass(error)}\n`));
}

/** Begins an answer with what every answer carries; a proxy must never keep one of them. */
export function writeHead(
  request: Request,
  response: ServerResponse,
  code: number,
  headers: Readonly<Record<string, string | number>>,
): void {
  response.writeHead(code, {
    'Audit-Id': requestState(request).auditId,
    'Cache-Control': 'no-cache, private',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  });
}

function send(
  request: Request,
  response: ServerResponse,
  code: number,
  body: string,
  headers: Readonly<Record<string, string>>,
): void {
  if (isAnswered(response)) return;
  writeHead(request, response, code, { ...headers, 'Content-Length': Buffer.byteLength(body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** A watch may be asked for, in JSON. */
function allowsStatus(mediaType: ObjectMediaType, parameters: MediaTypeParameters): boolean {
  if (parameters.size === 0) return true;
  const stream = parameters.get('stream') ?? '';
  const isKnownStream = stream === '' || (stream === 'watch' && mediaType === 'application/json');
  return isKnownStream && conversions.every((parameter) => !parameters.has(parameter));
}

function withEntities(text: string): string {
  return text.replace(/[&<>]/g, (character) => entities.get(character) ?? '');
}
