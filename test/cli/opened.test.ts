import { expect, it } from 'vitest';
import { Opened } from '../../src/options/starting.js';

it('what was opened is closed, the last one first, also behind one that cannot be closed', async () => {
  const opened = new Opened();
  const closed: string[] = [];
  for (const name of ['first', 'stuck', 'last']) {
    opened.add({
      close: () => {
        closed.push(name);
        return name === 'stuck' ? Promise.reject(new Error('is stuck')) : undefined;
      },
    });
  }
  await expect(opened.close()).rejects.toThrow('is stuck');
  expect(closed).toEqual(['last', 'stuck', 'first']);
});
