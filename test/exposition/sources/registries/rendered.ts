import type { Registry, RegistryContentType } from 'prom-client';
import {
  registriesExposition,
  type RegistriesExpositionOptions,
} from '../../../../src/exposition/sources/registries-exposition.js';
import type { CollectorFailure } from '../../../../src/exposition/sources/registries/collectors.js';

export type AnyRegistry = Registry<RegistryContentType>;

export const acceptText = 'text/plain;version=0.0.4';
export const acceptOpenMetrics = 'application/openmetrics-text;version=1.0.0';

/** All of an exposition, however it comes. */
export async function bytesOf(body: string | Uint8Array | AsyncIterable<Uint8Array>): Promise<Buffer> {
  if (typeof body === 'string' || body instanceof Uint8Array) return Buffer.from(body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What one scrape gets, and what was told of it. */
export async function scrapeOnce(
  options: RegistriesExpositionOptions,
  accept = acceptText,
): Promise<{ text: string; failures: readonly string[] }> {
  const failures: CollectorFailure[] = [];
  const exposition = registriesExposition({
    openMetrics: true,
    ...options,
    onFailure: (failure) => failures.push(failure),
  });
  const { body } = await exposition.render({ accept });
  const text = (await bytesOf(body)).toString();
  return { text, failures: failures.map(({ metric, cause }) => `${metric} ${cause}`) };
}
