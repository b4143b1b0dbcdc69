import type { ServerResponse } from 'node:http';
import { errorClass } from '../authentication/error-class.js';
import { goQuote } from '../paths/go-quote.js';
import { breakOff, isAnswered, requestTarget, type Request } from './middleware.js';
import { requestState } from './request-state.js';

/** Kubernetes' `metav1.StatusReason`, as far as it is used here, with its code. */
const codes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  TooManyRequests: 429,
  RequestHeaderFieldsTooLarge: 431,
  ServiceUnavailable: 503,
} as const;

export type StatusReason = keyof typeof codes;

/** Reasons for which Kubernetes fills `details`, with nothing in it for a path that is no resource. */
const detailed: ReadonlySet<StatusReason> = new Set(['Forbidden', 'NotFound', 'MethodNotAllowed']);

/** Programs that people look at; Kubernetes indents for them. */
const peopleLook = /^(?:curl|Wget|Mozilla\/5\.0)/;

const unsafeInHtml = /[<>&\u2028\u2029]/g;

/** Answers with a Kubernetes Status, in kube-apiserver's spelling to the byte. */
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
  const indent = peopleLook.test(request.headers['user-agent'] ?? '') ? 2 : undefined;
  const body = `${JSON.stringify(status, null, indent).replace(unsafeInHtml, escapeAsGo)}\n`;
  send(request, response, code, body, { ...headers, 'Content-Type': 'application/json' });
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
  sendText(request, response, 500, `Internal Server Error: ${target}: ${errorClass(error)}\n`);
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

function escapeAsGo(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
