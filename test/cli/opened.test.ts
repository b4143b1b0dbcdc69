import { describe, expect, it } from 'vitest';
import { Opened } from '../../src/cli/opened.js';

describe('what a command has opened', () => {
  it('is closed in the opposite order, each when the one before it is closed, and once', async () => {
    const opened = new Opened();
    const told: string[] = [];
    for (const name of ['one', 'two', 'three']) {
      opened.add({
        async close() {
          told.push(`${name} closes`);
          await Promise.resolve();
          told.push(`${name} is closed`);
        },
      });
    }
    await opened.close();
    await opened.close();
    expect(told).toEqual(['three', 'two', 'one'].flatMap((name) => [`${name} closes`, `${name} is closed`]));
  });

  it('is given back as it came', () => {
    const resource = { close: () => undefined, port: 1 };
    expect(new Opened().add(resource)).toBe(resource);
  });
});
