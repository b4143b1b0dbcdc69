import { Agent, request, type IncomingMessage } from 'node:http';
import { ApiConnectionError } from '../../../src/outgoing/outgoing-errors.js';
import type { ApiClient, ApiRequest, ApiResponse } from '../../../src/kubernetes/api-client.js';

/** Requests over plain HTTP to a server in this process; without credentials, which faults do not need. */
export function httpApiClient(port: number): ApiClient {
  const agent = new Agent({ keepAlive: true });
  const host = `127.0.0.1:${port}`;
  return {
    server: `http://${host}`,
    host,
    send: ({ method, path, query = {}, signal }: ApiRequest) =>
      new Promise<ApiResponse>((resolve, reject) => {
        const search = new URLSearchParams(query).toString();
        const sent = request({ host: '127.0.0.1', port, method, path: `${path}?${search}`, agent });
        const end = (): void => {
          sent.destroy();
        };
        signal?.addEventListener('abort', end, { once: true });
        sent
          .on('response', (response) => {
            const { statusCode = 0, headers } = response;
            // Told of where the body is read; nobody has to read it.
            response.on('error', () => undefined);
            const seconds = headers['retry-after'];
            resolve({
              server: `http://${host}`,
              status: statusCode,
              ...(seconds === undefined ? {} : { retryAfterMs: Number(seconds) * 1000 }),
              body: bytesOf(response),
            });
          })
          .on('error', (error) => {
            reject(new ApiConnectionError(`http://127.0.0.1: ${codeOf(error)}`));
          })
          .on('close', () => signal?.removeEventListener('abort', end))
          .end();
      }),
    close: () => {
      agent.destroy();
    },
  };
}

async function* bytesOf(response: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response) yield chunk as Buffer;
  } catch (error) {
    throw new ApiConnectionError(`http://127.0.0.1: ${codeOf(error)}`);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
