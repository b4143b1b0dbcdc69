import type { ApiClient, ApiResponse } from '../../kubernetes/api-client.js';
import { ApiConnectionError, ApiContentError, ApiStatusError } from '../../outgoing/api-error.js';
import { requestJson } from '../../outgoing/request-json.js';

export type Verb = 'list' | 'watch';
export type Resource = 'clusterroles' | 'clusterrolebindings';

/** What came of one attempt. */
export type ProbeOutcome =
  | { readonly kind: 'allowed'; readonly ms: number }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  /** The message begins with the server. */
  | { readonly kind: 'unreachable'; readonly message: string };

export interface Probe {
  readonly resource: Resource;
  readonly verb: Verb;
  readonly outcome: ProbeOutcome;
}

/** One object of a list; the largest that an API server keeps is far smaller. */
const maxListBytes = 8 * 1024 * 1024;
const maxStatusBytes = 64 * 1024;

/**
 * Tries what following the policy needs: to list and to watch both kinds. Where the first attempt reaches no
 * server, it is the only one. `timeoutMs` is for each attempt.
 */
export async function probeApiServer(client: ApiClient, timeoutMs: number): Promise<readonly Probe[]> {
  const first = await probeResource(client, 'clusterroles', timeoutMs);
  if (first.some(({ outcome }) => outcome.kind === 'unreachable')) return first;
  return [...first, ...(await probeResource(client, 'clusterrolebindings', timeoutMs))];
}

async function probeResource(
  client: ApiClient,
  resource: Resource,
  timeoutMs: number,
): Promise<readonly Probe[]> {
  const path = `/apis/rbac.authorization.k8s.io/v1/${resource}`;
  let resourceVersion: string | undefined;
  const listed = await attempt(timeoutMs, async (signal) => {
    const query = { limit: '1' };
    const list = await requestJson(
      client,
      { method: 'GET', path, query, timeoutMs, signal },
      { maxBytes: maxListBytes },
    );
    resourceVersion = resourceVersionOf(list);
  });
  const list: Probe = { resource, verb: 'list', outcome: listed };
  if (listed.kind === 'unreachable') return [list];
  const watched = await attempt(timeoutMs, async (signal) => {
    const query = {
      watch: 'true',
      timeoutSeconds: '1',
      // From where the list stands: without it a server begins with everything there is.
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    };
    const response = await client.send({ method: 'GET', path, query, timeoutMs, signal });
    // Expired is not forbidden.
    if (response.status !== 200 && response.status !== 410) throw await statusError(response);
  });
  return [list, { resource, verb: 'watch', outcome: watched }];
}

/** Ends whatever is left of the attempt's answer. */
async function attempt(
  timeoutMs: number,
  request: (signal: AbortSignal) => Promise<void>,
): Promise<ProbeOutcome> {
  const ending = new AbortController();
  // The headers have their own deadline; this one is for what comes behind them.
  const deadline = setTimeout(() => {
    ending.abort();
  }, timeoutMs + 1000);
  const startedAt = performance.now();
  try {
    await request(ending.signal);
    return { kind: 'allowed', ms: Math.ceil(performance.now() - startedAt) };
  } catch (error) {
    return outcomeOf(error);
  } finally {
    clearTimeout(deadline);
    ending.abort();
  }
}

function outcomeOf(error: unknown): ProbeOutcome {
  if (error instanceof ApiStatusError) {
    return { kind: 'refused', status: error.status, message: error.message };
  }
  if (error instanceof ApiConnectionError || error instanceof ApiContentError) {
    return { kind: 'unreachable', message: error.message };
  }
  throw error;
}

/** The Status of a refusal names the user whom the server saw. */
async function statusError({ status, body }: ApiResponse): Promise<ApiStatusError> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxStatusBytes) return new ApiStatusError(status);
  }
  try {
    return new ApiStatusError(status, JSON.parse(Buffer.concat(chunks).toString()));
  } catch {
    return new ApiStatusError(status);
  }
}

function resourceVersionOf(list: unknown): string | undefined {
  const metadata = memberOf(list, 'metadata');
  const version = memberOf(metadata, 'resourceVersion');
  return typeof version === 'string' ? version : undefined;
}

function memberOf(value: unknown, key: string): unknown {
  const members: Readonly<Record<string, unknown>> =
    typeof value === 'object' && value !== null ? { ...value } : {};
  return members[key];
}
