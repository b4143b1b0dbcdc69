import { type Exposition, type StreamedExposition, isStreamed } from '../exposition.js';
import { BodySource } from './body-source.js';
import type { LeavePlace, RenderingPlaces } from './rendering-limit.js';
import { TooManyScrapesError } from '../exposition-errors.js';

/**
 * Another exposition, rendered only where there is a place. A rendering has its place until its body is read to the
 * end, fails or is abandoned: also one whose scraper is gone, as long as it goes on all the same. So where scrapes
 * share renderings, this stands behind `sharedExposition`.
 *
 * `render` rejects with a TooManyScrapesError where there is none. HEAD needs no place.
 */
export function limitedExposition(exposition: Exposition, places: RenderingPlaces): Exposition {
  return {
    contentType: (request) => exposition.contentType(request),
    async render(request) {
      const entering = places.enter(request.scraper);
      const leave = entering instanceof Promise ? await entering : entering;
      if (leave === undefined) throw new TooManyScrapesError(places.max);
      try {
        request.signal?.throwIfAborted();
        const rendered = await exposition.render(request);
        if (isStreamed(rendered)) return { ...rendered, body: untilRead(rendered.body, leave) };
        leave();
        return rendered;
      } catch (error) {
        leave();
        throw error;
      }
    },
  };
}

/** No generator: one that was never begun would not close what it reads. */
function untilRead(body: StreamedExposition['body'], leave: LeavePlace): AsyncIterableIterator<Uint8Array> {
  const source = new BodySource(body);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const next = await source.next();
        if (next.done === true) leave();
        return next;
      } catch (error) {
        leave();
        throw error;
      }
    },
    async return() {
      try {
        await source.close();
      } finally {
        leave();
      }
      return { done: true, value: undefined };
    },
  };
}
