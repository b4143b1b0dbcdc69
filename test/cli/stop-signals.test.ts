import { describe, expect, it } from 'vitest';
import { stopSignals } from '../../src/cli/command.js';

function setting() {
  const clock = { now: 0 };
  const exits: number[] = [];
  const listeners = new Map<string, () => void>();
  const stopRequested = stopSignals(
    {
      on: (signal, listener) => {
        listeners.set(signal, listener);
      },
      exit: (code) => {
        exits.push(code);
      },
    },
    () => clock.now,
  );
  return { clock, exits, requested: stopRequested(), send: (signal: string) => listeners.get(signal)?.() };
}

describe('signals to stop', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'])('%s asks once', async (signal) => {
    const { exits, requested, send } = setting();
    send(signal);
    await expect(requested).resolves.toBeUndefined();
    expect(exits).toEqual([]);
  });

  it.each([
    ['SIGTERM', 'SIGTERM', [1]],
    ['SIGINT', 'SIGINT', []],
    ['SIGINT', 'SIGTERM', []],
    ['SIGTERM', 'SIGINT', []],
  ] as const)('%s and %s later end the process at once: %j', (first, second, expected) => {
    const { clock, exits, send } = setting();
    send(first);
    clock.now += 1001;
    send(second);
    expect(exits).toEqual(expected);
  });

  it('SIGTERM that npm or systemd pass on as well is one', () => {
    const { clock, exits, send } = setting();
    send('SIGTERM');
    clock.now += 1000;
    send('SIGTERM');
    expect(exits).toEqual([]);
  });
});
