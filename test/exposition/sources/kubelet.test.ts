import { describe, expect, it } from 'vitest';
import { NotSyncedError } from '../../../src/exposition/exposition-errors.js';
import { kubeletSummary } from '../../../src/exposition/sources/kubelet.js';
import { kubeletNode, ownPod, summaryOf } from '../../support/kubelet-bodies.js';
import { textOf } from '../relabelling/filtering.js';

const host = { namespace: ownPod.namespace, name: ownPod.name, uid: ownPod.uid };
const pod = { host, node: kubeletNode, virtual: { namespace: 'default', name: 'web-0', uid: 'u' } };

describe('a summary', () => {
  it('breaks off once the names of pods may no longer be used', async () => {
    const whole = JSON.stringify(summaryOf(Array.from({ length: 200 }, () => ownPod)));
    let reason: string | undefined;
    async function* body(): AsyncGenerator<Buffer> {
      yield Buffer.from(whole.slice(0, -1000));
      await Promise.resolve();
      reason = 'lost';
      yield Buffer.from(whole.slice(-1000));
    }
    const summary = kubeletSummary({
      client: {
        server: 'https://host',
        send: () =>
          Promise.resolve({
            status: 200,
            contentType: 'application/json',
            server: 'https://host',
            headers: {},
            body: body(),
          }),
      },
      path: '/stats/summary',
      node: kubeletNode,
      pods: { findPod: () => pod, find: () => pod.virtual, unavailable: () => reason },
    });
    const rendered = summary.render({ accept: '' });
    await expect(rendered.then(textOf)).rejects.toThrow(new NotSyncedError('lost'));
  });
});
