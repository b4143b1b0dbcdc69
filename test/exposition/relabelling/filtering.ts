import type { Exposition, RenderedExposition, ScrapeRequest } from '../../../src/exposition/exposition.js';
import type { SeriesCounts } from '../../../src/exposition/relabelling/exposition-filter.js';
import {
  filteredExposition,
  type FilteredExpositionOptions,
} from '../../../src/exposition/relabelling/filtered-exposition.js';
import type { ExpositionFormat } from '../../../src/exposition/text-format/exposition-format.js';

export const contentTypes: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** An exposition that always is the same, and remembers what it was asked. */
export function fixedExposition(rendered: RenderedExposition): Exposition & { asked: ScrapeRequest[] } {
  const asked: ScrapeRequest[] = [];
  return {
    asked,
    contentType: ({ accept }) => `${rendered.contentType}; asked=${accept}`,
    render(request) {
      asked.push(request);
      return Promise.resolve(rendered);
    },
  };
}

export interface Filtered {
  readonly text: string;
  readonly counts: SeriesCounts | undefined;
  readonly rendered: RenderedExposition;
}

export async function filtered(
  body: RenderedExposition['body'],
  options: FilteredExpositionOptions,
  format: ExpositionFormat = 'text',
): Promise<Filtered> {
  let counts: SeriesCounts | undefined;
  const exposition = filteredExposition(fixedExposition(renderedOf(body, contentTypes[format])), {
    ...options,
    onScrape: (_result, of) => {
      counts = of;
    },
  });
  const rendered = await exposition.render({ accept: '' });
  const text = await textOf(rendered);
  return { text, counts, rendered };
}

export async function textOf({ body }: RenderedExposition): Promise<string> {
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return Buffer.from(body).toString();
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function renderedOf(body: RenderedExposition['body'], contentType: string): RenderedExposition {
  return typeof body === 'string' || body instanceof Uint8Array
    ? { contentType, body }
    : { contentType, body };
}
