import {
  requestInfo,
  type RequestInfo,
  queryParameters,
} from '../../../src/telemetry/api-server/request-info.js';
import { requestLabels, type RequestLabels } from '../../../src/telemetry/api-server/request-labels.js';
import { parseRequestTarget } from '../../../src/paths/request-target.js';

export interface Labelled {
  readonly info: RequestInfo;
  readonly labels: RequestLabels;
}

/** What a request line means, with health named. */
export function labelled(method: string, target: string, contentType?: string): Labelled {
  const { path, query: rawQuery } = parseRequestTarget(target) ?? { path: '', query: '' };
  const query = queryParameters(rawQuery);
  const info = requestInfo(method, path, query);
  const named = new Set(['/livez', '/readyz', '/healthz']);
  return { info, labels: requestLabels({ method, contentType, query, info }, named) };
}
