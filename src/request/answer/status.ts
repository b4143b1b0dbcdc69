import type { ServerResponse } from 'node:http';
import { errorClass } from '../../error-class.js';
import { goQuote } from '../../paths/request-target.js';
import {
  breakOff,
  headerLine,
  isAnswered,
  requestState,
  requestTarget,
  streamOf,
  type Request,
} from '../middleware.js';
import { negotiate, objectBody, type MediaTypeParameters, type ObjectMediaType } from './object-body.js';

/** Those of Kubernetes' `metav1.StatusReason` that are used here, with their codes. */
const codes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  RequestEntityTooLarge: 413,
  TooManyRequests: 429,
  RequestHeaderFieldsTooLarge: 431,
  ServiceUnavailable: 503,
} as const;

type StatusReason = keyof typeof codes;

/** Reasons for which Kubernetes sets `details`, which is empty for a path that is no resource. */
const detailed: ReadonlySet<StatusReason> = new Set(['Forbidden', 'NotFound', 'MethodNotAllowed']);

/** kube-apiserver serves protobuf as well; a client that accepts nothing else is answered as if it accepted nothing. */
const mediaTypes: readonly ObjectMediaType[] = ['application/json', 'application/yaml'];
/** Parameters that ask for another object than a Status. */
const conversions = ['as', 'g', 'v', 'sv'] as const;

/** What Kubernetes writes for characters in a message that a browser could take for HTML. */
const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** Answers with a Kubernetes Status, in the format and to the byte as kube-apiserver does. */
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
  const accepted = negotiate(headerLine(request, 'accept') ?? '', mediaTypes, allowsStatus);
  const { body, mediaType } = objectBody(request, status, accepted);
  send(request, response, code, body, mediaType, headers);
}

/** Answers 403. `act`: what the user cannot do. `suffix`: why, if the client is told. */
export function sendForbidden(
  request: Request,
  response: ServerResponse,
  user: string,
  act: string,
  suffix?: string,
): void {
  const message = `forbidden: ${withEntities(`User ${goQuote(user)} cannot ${act}`)}`;
  sendStatus(request, response, 'Forbidden', suffix === undefined ? message : `${message}: ${suffix}`);
}

/** What ends the connection behind an answer: nobody can be sure where the next request on it begins. */
export function closingHeaders(request: Request): Readonly<Record<string, string>> {
  // Over HTTP/2 each request has a stream of its own.
  return streamOf(request) === undefined ? { Connection: 'close' } : {};
}

/** Answers 429 to a client that has to wait so long (ms). */
export function sendTooManyRequests(request: Request, response: ServerResponse, waitMs: number): void {
  sendStatus(request, response, 'TooManyRequests', 'Too many requests: please try again later', {
    'Retry-After': String(Math.max(1, Math.ceil(waitMs / 1000))),
  });
}

/** Answers 404, as for every path that is not served. */
export function sendNotFound(request: Request, response: ServerResponse): void {
  sendStatus(request, response, 'NotFound', 'the server could not find the requested resource');
}

const readingMethods = ['GET', 'HEAD'];

/** Answers 405 to any other method; by default only reading is served. Returns whether it did. */
export function refuseOtherMethods(
  request: Request,
  response: ServerResponse,
  methods: readonly string[] = readingMethods,
): boolean {
  if (methods.includes(request.method ?? '')) return false;
  const message = 'the server does not allow this method on the requested resource';
  sendStatus(request, response, 'MethodNotAllowed', message, { Allow: methods.join(', ') });
  return true;
}

/** Answers in plain text, as Go's `http.Error` does. */
export function sendText(
  request: Request,
  response: ServerResponse,
  code: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(request, response, code, body, 'text/plain; charset=utf-8', headers);
}

/** Names only the class of what failed: a message may quote what no client should see. */
export function sendInternalError(request: Request, response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    // A truncated answer must not look complete.
    breakOff(response);
    return;
  }
  const target = goQuote(requestTarget(request).slice(0, 256));
  sendText(request, response, 500, withEntities(`Internal Server Error: ${target}: ${errorClass(error)}\n`));
}

/** Begins an answer with what each carries; no proxy may keep one. `contentType`: null where a backend has none. */
export function writeHead(
  request: Request,
  response: ServerResponse,
  code: number,
  contentType: string | null,
  contentLength: number | undefined,
  headers: Readonly<Record<string, string>> = {},
): void {
  const head: Record<string, string | number> = {
    'Audit-Id': requestState(request).auditId,
    'Cache-Control': 'no-cache, private',
    'X-Content-Type-Options': 'nosniff',
  };
  if (contentType !== null) head['Content-Type'] = contentType;
  if (contentLength !== undefined) head['Content-Length'] = contentLength;
  // Nobody knows whether the client sends the body that it has announced, or its next request (RFC 9110, 10.1.1).
  if (requestState(request).awaitsContinue === true) head['Connection'] = 'close';
  response.writeHead(code, Object.assign(head, headers));
}

function send(
  request: Request,
  response: ServerResponse,
  code: number,
  body: string,
  contentType: string,
  headers: Readonly<Record<string, string>>,
): void {
  if (isAnswered(response)) return;
  writeHead(request, response, code, contentType, Buffer.byteLength(body), headers);
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
  return text.replace(/[&<>]/g, (character) => entities[character] ?? '');
}
