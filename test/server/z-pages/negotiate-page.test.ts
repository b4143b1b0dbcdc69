import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prefersHtml } from '../../../src/server/z-pages/z-page.js';

describe('an Accept header', () => {
  it.each([
    ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8', true],
    ['text/html', true],
    ['TEXT/HTML; charset=utf-8', true],
    ['text/html;q=0.5', true],
    ['text/html, text/plain;q=0.9', true],
    ['', false],
    ['*/*', false],
    ['text/*', false],
    ['text/plain', false],
    ['text/html, text/plain', false],
    ['text/html;q=0.5, text/plain', false],
    ['text/html;q=0, */*', false],
    ['text/html;q=0', false],
    ['text/html;q=2', false],
    ['text/html;q=x', false],
    ['text/html;q=-1', false],
    ['application/json', false],
    [`text/html${','.repeat(2048)}`, false],
  ])('%s asks for HTML rather than text: %s', (accept, expected) => {
    expect(prefersHtml(accept, 'text/plain')).toBe(expected);
  });

  it('asks for HTML rather than JSON by the same rules', () => {
    expect(prefersHtml('text/html, application/json;q=0.9', 'application/json')).toBe(true);
    expect(prefersHtml('text/html, application/json', 'application/json')).toBe(false);
    expect(prefersHtml('application/json, */*', 'application/json')).toBe(false);
  });

  it('never asks for HTML without a range that holds it, whatever it is', () => {
    const part = fc.constantFrom('text/', 'html', '*/*', 'q=', ';', ',', '1', '0.5', ' ', 'plain', '"', '\\');
    const accept = fc.oneof(
      fc.string(),
      fc.array(part, { maxLength: 20 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(accept, (text) => {
        expect(prefersHtml(text, 'text/plain') && !/text\/\s*html/i.test(text)).toBe(false);
      }),
    );
  });
});
