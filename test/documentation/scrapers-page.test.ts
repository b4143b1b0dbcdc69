import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { rows, scrapers } from '../matrix/definition.js';

const page = readFileSync(new URL('../../docs/scrapers.md', import.meta.url), 'utf8');
const cellsOf = (line: string): readonly string[] => line.split(/(?<!\\) \| |^\| | \|$/).slice(1, -1);
const tables = page
  .split('\n\n')
  .map((block) => block.split('\n').filter((line) => line.startsWith('|')))
  .filter((lines) => lines.length > 0)
  .map((lines) => lines.map(cellsOf));

describe('docs/scrapers.md', () => {
  it('says what each scraper of the matrix sends', () => {
    expect(tables[0]?.slice(2).map(([scraper]) => scraper)).toEqual(Object.values(scrapers));
  });

  it('has a cell for each scraper in each row of the matrix, as `npm run test:matrix` writes them', () => {
    const [head, , ...body] = tables[1] ?? [];
    expect(head).toEqual(['', ...Object.values(scrapers)]);
    expect(body.map(([row]) => row)).toEqual(Object.values(rows));
    for (const cells of body) {
      expect(cells).toHaveLength(1 + Object.keys(scrapers).length);
      expect(cells.filter((cell) => cell === '' || cell.includes('not run'))).toEqual([]);
    }
  });
});
