import { Registry, type MetricObject, type RegistryContentType } from 'prom-client';
import type { Exposition } from './exposition.js';

/** A wrong set of registries; the message says what to pass instead. */
export class RegistriesError extends Error {
  override readonly name = 'RegistriesError';
  readonly code = 'ERR_REGISTRIES';
}

/** One metric that could not be served; the others are. */
export interface CollectorFailure {
  readonly metric: string;
  readonly cause: 'collect-failed' | 'duplicate-name';
  readonly error?: unknown;
}

export interface RegistriesExpositionOptions {
  /** Passed in, never reached for: prom-client's global `register` is served only when it stands here. */
  readonly registries: readonly Registry<RegistryContentType>[];
  /** Called for each metric that had to be left out. */
  readonly onFailure?: (failure: CollectorFailure) => void;
}

/** Part of prom-client's registry that its types leave out. */
interface MetricWriter {
  getMetricsAsString(metric: MetricObject): Promise<string>;
}

/**
 * The metrics of several prom-client registries as one exposition, written by prom-client itself in the
 * content type its registries are set to. A collector that fails is left out and reported; of two metrics of
 * one name the first is served, since no scraper takes both.
 *
 * @throws RegistriesError when there is no registry, or when they differ in content type.
 */
export function registriesExposition({
  registries,
  onFailure = () => undefined,
}: RegistriesExpositionOptions): Exposition {
  const [first] = registries;
  if (first === undefined) throw new RegistriesError('registries: pass at least one prom-client Registry');
  if (registries.some(({ contentType }) => contentType !== first.contentType)) {
    throw new RegistriesError('registries: all must have one content type; call setContentType on each');
  }
  return {
    contentType: () => first.contentType,
    async render() {
      const contentType: string = first.contentType;
      const isOpenMetrics = contentType === Registry.OPENMETRICS_CONTENT_TYPE;
      const seen = new Set<string>();
      const pending: Promise<string | undefined>[] = [];
      for (const registry of registries) {
        for (const metric of registry.getMetricsAsArray()) {
          // prom-client names an OpenMetrics counter without its suffix, and writes it with.
          if (isOpenMetrics && isCounter(metric)) metric.name = metric.name.replace(/_total$/, '');
          const { name } = metric;
          if (seen.has(name)) onFailure({ metric: name, cause: 'duplicate-name' });
          else pending.push(write(registry as unknown as MetricWriter, metric, onFailure));
          seen.add(name);
        }
      }
      const written = (await Promise.all(pending)).filter((text) => text !== undefined);
      const body = isOpenMetrics ? `${written.join('\n')}\n# EOF\n` : `${written.join('\n\n')}\n`;
      return { contentType, body };
    },
  };
}

function isCounter(metric: MetricObject): boolean {
  return (metric as { readonly type?: unknown }).type === 'counter';
}

async function write(
  registry: MetricWriter,
  metric: MetricObject,
  onFailure: (failure: CollectorFailure) => void,
): Promise<string | undefined> {
  try {
    return await registry.getMetricsAsString(metric);
  } catch (error) {
    onFailure({ metric: metric.name, cause: 'collect-failed', error });
    return undefined;
  }
}
