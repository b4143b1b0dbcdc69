import type { RenderedExposition, StreamedExposition } from '../exposition.js';

export function isStreamed(rendered: RenderedExposition): rendered is StreamedExposition {
  return typeof rendered.body === 'object' && Symbol.asyncIterator in rendered.body;
}
