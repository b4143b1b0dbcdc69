import { ApiConnectionError } from '../../../src/outgoing/outgoing-errors.js';
import type { ApiClient, ApiRequest, ApiResponse } from '../../../src/kubernetes/api-client.js';
import { errorEvent, eventOf, initialEventsEnd, listOf } from './api-objects.js';
import type { Clock } from '../../../src/kubernetes/reflector/reflector-options.js';

export type Question = 'probe' | 'list' | 'watch';

/** What becomes of a request. */
export type Reply = 'refused' | { readonly status: number; readonly retryAfterMs?: number };

/** A server that takes no time, and its client. */
export class VirtualApiServer implements ApiClient {
  readonly server = 'https://server:443';
  readonly host = 'server:443';
  /** What is asked, and when. */
  readonly asked: { readonly question: Question; readonly at: number }[] = [];
  /** Undefined: as it should. */
  reply: (question: Question) => Reply | undefined = () => undefined;
  revision = 0;
  resourceVersion = 10;
  /** Whether watches from before are answered with 410. */
  forgets = false;
  readonly #open = new Set<() => void>();

  constructor(readonly clock: Clock) {}

  send({ path, query = {}, signal }: ApiRequest): Promise<ApiResponse> {
    const question = path === '/readyz' ? 'probe' : query['watch'] === 'true' ? 'watch' : 'list';
    this.asked.push({ question, at: this.clock.now() });
    const reply = this.reply(question) ?? { status: 200 };
    if (reply === 'refused') return Promise.reject(new ApiConnectionError('refused', 'ECONNREFUSED'));
    const body = reply.status === 200 ? this.#body(question, query, signal) : textOf('');
    return Promise.resolve({ server: this.server, revision: this.revision, ...reply, body });
  }

  close(): void {
    this.hangUp();
  }

  /** Ends every watch. */
  hangUp(): void {
    for (const end of [...this.#open]) end();
  }

  get watches(): number {
    return this.#open.size;
  }

  questions(kind: Question, from = 0): readonly number[] {
    return this.asked.filter(({ question, at }) => question === kind && at >= from).map(({ at }) => at);
  }

  #body(
    question: Question,
    query: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): ApiResponse['body'] {
    if (question === 'probe') return textOf('ok');
    if (question === 'list') return textOf(JSON.stringify(listOf(['a'], this.resourceVersion)));
    if (query['sendInitialEvents'] === 'true')
      return this.#watch([eventOf('ADDED', 'a', 1), initialEventsEnd(this.resourceVersion)], signal);
    const isExpired = this.forgets && Number(query['resourceVersion']) < this.resourceVersion;
    return this.#watch(isExpired ? [errorEvent(410, 'Expired')] : [], signal);
  }

  async *#watch(lines: readonly string[], signal?: AbortSignal): AsyncGenerator<Buffer> {
    for (const line of lines) yield Buffer.from(line);
    await new Promise<void>((resolve) => {
      const end = (): void => {
        this.#open.delete(end);
        resolve();
      };
      this.#open.add(end);
      signal?.addEventListener('abort', end, { once: true });
    });
    throw new ApiConnectionError('reset', 'ECONNRESET');
  }
}

async function* textOf(text: string): AsyncGenerator<Buffer> {
  await Promise.resolve();
  yield Buffer.from(text);
}
