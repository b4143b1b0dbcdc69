// Forked by the soak: clients that are slow, broken or hostile, so many at a time, each for some seconds at most.
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { acts } from './bad-client-acts.mjs';

/** Of each kind at a time, and how long one rests before the next (ms). */
const atOnce = 2;
const restMs = 300;

const granted = [];
let isStopping = false;
let running = [];
let count = 0;

process.on('message', (message) => {
  if (message === 'stop') {
    isStopping = true;
    void Promise.all(running).then(() => {
      process.send({ granted, count }, () => process.disconnect());
    });
    return;
  }
  running = Object.entries(acts).flatMap(([name, act], kind) =>
    Array.from({ length: atOnce }, (_, at) => goOn(name, act, message, kind * atOnce + at)),
  );
});

async function goOn(name, act, { port, token }, at) {
  const context = { port, token, localAddress: `127.0.2.${at + 1}`, madeUpSecret };
  await pause((at * restMs) / 7);
  while (!isStopping) {
    const fault = await act(context);
    count += 1;
    if (fault !== undefined) granted.push(`${name}: ${fault}`);
    await pause(restMs);
  }
}

/** Told to the soak, which looks whether anybody writes it down. */
function madeUpSecret() {
  const secret = randomBytes(24).toString('base64url');
  process.send({ secret });
  return secret;
}
