import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ApiClient, ApiRequest } from '../../../src/kubernetes/api-client.js';
import { StreamedAnswer } from '../../../src/kubernetes/reflector/streamed-answer.js';

const closing = new AbortController();

/** A client whose answers have this status, and a body of so many chunks. */
class ChunkClient implements ApiClient {
  readonly server = 'https://api';
  readonly host = 'api';
  readonly requests: ApiRequest[] = [];
  taken = 0;

  constructor(
    readonly status: number,
    readonly count: number,
  ) {}

  send(request: ApiRequest): ReturnType<ApiClient['send']> {
    this.requests.push(request);
    return Promise.resolve({ server: this.server, status: this.status, body: this.#chunks() });
  }

  close(): void {
    // Nothing is open.
  }

  async *#chunks(): AsyncGenerator<Buffer> {
    for (; this.taken < this.count; this.taken += 1) {
      await Promise.resolve();
      yield Buffer.alloc(1000, 'x');
    }
  }
}

function answerOf(client: ApiClient): StreamedAnswer {
  const { signal } = closing;
  return new StreamedAnswer({
    client,
    path: '/',
    query: {},
    signal,
    headersMs: 1000,
    silenceMs: 1000,
    totalMs: 5000,
  });
}

describe('an answer', () => {
  let client: ChunkClient;
  beforeEach(() => {
    client = new ChunkClient(200, 3);
  });

  it('that was read to its end is not aborted, so that its connection serves the next', async () => {
    const answer = answerOf(client);
    let length = 0;
    await answer.during(async () => {
      for await (const chunk of answer.chunks) length += chunk.length;
    });
    expect(length).toBe(3000);
    expect(client.requests[0]?.signal?.aborted).toBe(false);
    expect(getEventListeners(closing.signal, 'abort')).toEqual([]);
  });

  it('that was not read to its end is aborted', async () => {
    const answer = answerOf(client);
    await answer.during(() => answer.chunks.next());
    expect(client.requests[0]?.signal?.aborted).toBe(true);
    expect(getEventListeners(closing.signal, 'abort')).toEqual([]);
  });

  it('that is an error is read only as far as a Status may reach', async () => {
    client = new ChunkClient(500, 1_000_000);
    const answer = answerOf(client);
    await expect(answer.during(() => answer.drain())).rejects.toThrow('500');
    expect(client.taken).toBeLessThan(100);
    expect(client.requests[0]?.signal?.aborted).toBe(true);
  });

  it('fails by its class alone where nobody expects what went wrong', async () => {
    client.send = () => Promise.reject(new TypeError('Authorization: Bearer secret'));
    const answer = answerOf(client);
    await expect(answer.during(() => answer.drain())).rejects.toMatchObject({
      code: 'ERR_REFLECTOR',
      fault: 'connection',
      message: 'failed with TypeError',
    });
  });
});
