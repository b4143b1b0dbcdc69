import type { ServerResponse } from 'node:http';
import {
  MetricConflictError,
  NoTenantError,
  NotSyncedError,
  TooManyScrapesError,
  UpstreamError,
} from '../../exposition/exposition-errors.js';
import { isAnswered, type Request } from '../middleware.js';
import { sendInternalError, sendStatus, sendText } from './status.js';

/** Answers what an exposition or a backend failed with. */
export function answerFailure(request: Request, response: ServerResponse, error: unknown): void {
  if (error instanceof TooManyScrapesError || error instanceof NotSyncedError) {
    const headers = { 'Retry-After': String(error.retryAfterSeconds) };
    sendStatus(request, response, 'ServiceUnavailable', error.message, headers);
  } else if (error instanceof NoTenantError) {
    sendStatus(request, response, 'Forbidden', error.message);
  } else if (error instanceof UpstreamError && !isAnswered(response)) {
    // No more than that it was the server behind. In plain text, since Kubernetes has no reason for a 502.
    const { status } = error;
    sendText(request, response, status, status === 502 ? 'Bad Gateway\n' : 'Gateway Timeout\n');
  } else if (error instanceof MetricConflictError && !isAnswered(response)) {
    // A client that may read the metrics may know which of them is at fault, as with Kubernetes.
    sendText(request, response, 500, `An error has occurred while serving metrics: ${error.message}\n`);
  } else sendInternalError(request, response, error);
}
