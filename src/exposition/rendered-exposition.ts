import type { RenderedExposition, WholeExposition } from './exposition.js';

export function isWhole(rendered: RenderedExposition): rendered is WholeExposition {
  return typeof rendered.body === 'string' || rendered.body instanceof Uint8Array;
}

/** Whether a content coding was applied to the body. */
export function isEncoded({ contentEncoding }: RenderedExposition): boolean {
  return contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity';
}
