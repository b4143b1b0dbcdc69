import type { Adapter, AdapterConstructor, AdapterPayload } from 'oidc-provider';

/** What an OpenID provider remembers, for as long as the provider lives. */
export function memoryAdapter(): AdapterConstructor {
  const stored = new Map<string, AdapterPayload>();

  return class implements Adapter {
    constructor(readonly model: string) {}

    upsert(id: string, payload: AdapterPayload): Promise<void> {
      stored.set(this.#key(id), payload);
      return Promise.resolve();
    }

    find(id: string): Promise<AdapterPayload | undefined> {
      return Promise.resolve(stored.get(this.#key(id)));
    }

    findByUid(uid: string): Promise<AdapterPayload | undefined> {
      return this.#findWhere((payload) => payload.uid === uid);
    }

    findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
      return this.#findWhere((payload) => payload.userCode === userCode);
    }

    consume(id: string): Promise<void> {
      const payload = stored.get(this.#key(id));
      if (payload !== undefined) payload['consumed'] = Math.floor(Date.now() / 1000);
      return Promise.resolve();
    }

    destroy(id: string): Promise<void> {
      stored.delete(this.#key(id));
      return Promise.resolve();
    }

    revokeByGrantId(grantId: string): Promise<void> {
      for (const [key, payload] of stored) if (payload.grantId === grantId) stored.delete(key);
      return Promise.resolve();
    }

    #key(id: string): string {
      return `${this.model}:${id}`;
    }

    #findWhere(matches: (payload: AdapterPayload) => boolean): Promise<AdapterPayload | undefined> {
      return Promise.resolve([...stored.values()].find(matches));
    }
  };
}
