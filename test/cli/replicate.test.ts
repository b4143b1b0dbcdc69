import { beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli/program.js';
import { getMetrics, getPods, sentBinding, sentRole } from '../replication/root-objects.js';
import { atEnd } from '../support/ending.js';
import { RootServer } from '../support/root-server.js';

const own = 'kcp-metrics-filter';
const annotation = 'internal.kcp.io/replicate';

/** A command that runs until it is stopped, and what it has printed. */
class Replicating {
  readonly out: string[] = [];
  readonly err: string[] = [];
  readonly exited: Promise<number>;
  #stop: () => void = () => undefined;
  #waiting: (() => void)[] = [];

  constructor(args: readonly string[]) {
    const stopped = new Promise<void>((resolve) => {
      this.#stop = resolve;
    });
    const into = (lines: string[]) => (line: string) => {
      lines.push(line);
      for (const look of this.#waiting.splice(0)) look();
    };
    this.exited = run(['replicate', ...args], {
      print: into(this.out),
      printError: into(this.err),
      stopRequested: () => stopped,
    });
  }

  async printed(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  stop(): Promise<number> {
    this.#stop();
    return this.exited;
  }
}

let root: RootServer;
const replicating = (...args: readonly string[]): Replicating => {
  const command = new Replicating([`--root-kubeconfig=${root.kubeconfig}`, ...args]);
  atEnd(() => command.stop());
  return command;
};
const ended = async (
  ...args: readonly string[]
): Promise<{ code: number; out: readonly string[]; err: readonly string[] }> => {
  const { exited, out, err } = replicating(...args);
  return { code: await exited, out, err };
};

beforeEach(async () => {
  root = await RootServer.start();
});

describe('replicate --once', () => {
  it('annotates the bindings of shard-level paths and their roles, and ends', async () => {
    root.put('clusterrolebindings', sentBinding('prometheus', 'system:kcp:metrics-reader'));
    root.put('clusterrolebindings', sentBinding('scraper', 'own'));
    root.put('clusterroles', sentRole('own', [{ verbs: ['get', 'head'], nonResourceURLs: ['/metrics*'] }]));
    root.put('clusterrolebindings', sentBinding('reader', 'pods'));
    root.put('clusterroles', sentRole('pods', [getPods]));

    expect(await ended('--once')).toEqual({
      code: 0,
      out: [
        'annotated ClusterRole "own" (grants get/head /metrics*)',
        'annotated ClusterRoleBinding "prometheus" (grants get /metrics)',
        'annotated ClusterRoleBinding "scraper" (grants get/head /metrics*)',
      ],
      err: [],
    });
    expect(root.annotation('clusterroles', 'own')).toBe(own);
    expect(root.annotation('clusterrolebindings', 'prometheus')).toBe(own);
    expect(root.annotation('clusterrolebindings', 'scraper')).toBe(own);
    expect(root.annotation('clusterroles', 'pods')).toBeUndefined();
    expect(root.annotation('clusterrolebindings', 'reader')).toBeUndefined();
  });

  it('sends a merge patch of the annotation alone, of the object it has seen', async () => {
    root.put('clusterrolebindings', sentBinding('team:prometheus', 'system:kcp:metrics-reader'));
    await ended('--once');
    expect(root.patches).toEqual([
      {
        resource: 'clusterrolebindings',
        name: 'team:prometheus',
        contentType: 'application/merge-patch+json',
        body: {
          metadata: {
            uid: 'uid-team:prometheus',
            resourceVersion: '101',
            annotations: { [annotation]: own },
          },
        },
      },
    ]);
  });

  it('finds nothing to do the second time', async () => {
    root.put('clusterrolebindings', sentBinding('prometheus', 'system:kcp:metrics-reader'));
    await ended('--once');
    expect(await ended('--once')).toEqual({ code: 0, out: [], err: [] });
    expect(root.patches).toHaveLength(1);
  });

  it("takes back its own word and nobody else's", async () => {
    root.put('clusterrolebindings', sentBinding('a', 'system:discovery', { replicate: own }));
    root.put(
      'clusterrolebindings',
      sentBinding('b', 'system:discovery', { replicate: `apis.kcp.io,${own},core.kcp.io` }),
    );
    root.put('clusterrolebindings', sentBinding('c', 'system:discovery', { replicate: 'manual' }));
    expect(await ended('--once')).toEqual({
      code: 0,
      out: [
        `removed ${annotation} from ClusterRoleBinding "a" (no longer grants a shard-level path)`,
        `removed ${own} in ${annotation} from ClusterRoleBinding "b" (no longer grants a shard-level path)`,
      ],
      err: [],
    });
    expect(root.annotation('clusterrolebindings', 'a')).toBeUndefined();
    expect(root.annotation('clusterrolebindings', 'b')).toBe('apis.kcp.io,core.kcp.io');
    expect(root.annotation('clusterrolebindings', 'c')).toBe('manual');
  });

  it('skips what grants resources, too, and says so', async () => {
    root.put('clusterrolebindings', sentBinding('admin', 'cluster-admin'));
    const { code, out, err } = await ended('--once');
    expect({ code, err, patches: root.patches }).toEqual({ code: 0, err: [], patches: [] });
    expect(out).toEqual([
      expect.stringMatching(
        /^skipped ClusterRoleBinding "admin" \(ClusterRole "cluster-admin" also grants resources; /,
      ),
    ]);
  });

  it.each([[['--once']], [['--once', '--dry-run']]])(
    '%j names what grants other paths, too',
    async (args) => {
      root.put('clusterrolebindings', sentBinding('every', 'wide'));
      root.put(
        'clusterroles',
        sentRole('wide', [getMetrics, { verbs: ['get'], nonResourceURLs: ['/debug/*'] }]),
      );
      const { code, out, err } = await ended(...args);
      expect({ code, err, patches: root.patches }).toEqual({ code: 0, err: [], patches: [] });
      expect(out).toEqual([
        'skipped ClusterRoleBinding "every" (ClusterRole "wide" also grants get /debug/*; annotate it by hand if other shards should have it)',
      ]);
    },
  );

  it('tries again on the newer object after a conflict', async () => {
    root.put('clusterrolebindings', sentBinding('prometheus', 'system:kcp:metrics-reader'));
    let conflicts = 0;
    root.script.onPatch = ({ resource, name }) => {
      conflicts += 1;
      if (conflicts <= 2) {
        root.put(
          resource,
          sentBinding(name, 'system:kcp:metrics-reader', { subjects: ['prometheus', 'alice'] }),
        );
      }
      return undefined;
    };
    expect(await ended('--once')).toEqual({
      code: 0,
      out: ['annotated ClusterRoleBinding "prometheus" (grants get /metrics)'],
      err: [],
    });
    expect(root.patches).toHaveLength(3);
  });

  it('gives up on what changes each time', async () => {
    root.put('clusterrolebindings', sentBinding('busy', 'system:kcp:metrics-reader'));
    root.put('clusterrolebindings', sentBinding('calm', 'system:kcp:metrics-reader'));
    root.script.onPatch = ({ resource, name }) => {
      if (name === 'busy') root.put(resource, sentBinding(name, 'system:kcp:metrics-reader'));
      return undefined;
    };
    expect(await ended('--once')).toEqual({
      code: 1,
      out: ['annotated ClusterRoleBinding "calm" (grants get /metrics)'],
      err: ['ClusterRoleBinding "busy": not changed: it changes faster than it can be annotated'],
    });
  });

  it('leaves to others what they have annotated in the meantime', async () => {
    root.put('clusterrolebindings', sentBinding('prometheus', 'system:kcp:metrics-reader'));
    root.script.onPatch = ({ resource, name }) => {
      if (root.annotation(resource, name) === undefined) root.annotate(resource, name, 'core.kcp.io');
      return undefined;
    };
    expect(await ended('--once')).toEqual({ code: 0, out: [], err: [] });
    expect(root.annotation('clusterrolebindings', 'prometheus')).toBe('core.kcp.io');
  });

  it('exits 1 where it may not change something, and does the rest', async () => {
    root.put('clusterrolebindings', sentBinding('a', 'own'));
    root.put('clusterroles', sentRole('own', [getMetrics]));
    root.put('clusterrolebindings', sentBinding('b', 'system:kcp:metrics-reader'));
    root.script.onPatch = ({ name }) =>
      name === 'own'
        ? { status: 403, body: { reason: 'Forbidden', message: 'attempting to grant\npermissions' } }
        : undefined;
    expect(await ended('--once')).toEqual({
      code: 1,
      out: [
        'annotated ClusterRoleBinding "a" (grants get /metrics)',
        'annotated ClusterRoleBinding "b" (grants get /metrics)',
      ],
      err: ['ClusterRole "own": not changed: 403 Forbidden: attempting to grant\\u000apermissions'],
    });
  });

  it('takes what has gone for done', async () => {
    root.put('clusterrolebindings', sentBinding('prometheus', 'system:kcp:metrics-reader'));
    root.script.onPatch = ({ resource, name }) => {
      root.delete(resource, name);
      return undefined;
    };
    expect(await ended('--once')).toEqual({ code: 0, out: [], err: [] });
  });

  it.each<[trouble: string, fault: { status: number } | 'hang up', message: RegExp]>([
    ['is busy', { status: 429 }, /^429; next try in 1 s$/],
    ['fails', { status: 503 }, /^503; next try in 1 s$/],
    ['hangs up', 'hang up', /^https:\/\/127\.0\.0\.1:\d+\/clusters\/root: .*; next try in 1 s$/],
  ])('tries again where the server %s', async (_trouble, fault, message) => {
    root.put('clusterrolebindings', sentBinding('prometheus', 'system:kcp:metrics-reader'));
    root.script.onPatch = () => (root.patches.length < 3 ? fault : undefined);
    expect(await ended('--once')).toEqual({
      code: 0,
      out: ['annotated ClusterRoleBinding "prometheus" (grants get /metrics)'],
      err: [expect.stringMatching(message)],
    });
    expect(root.patches).toHaveLength(3);
  });

  it('gives up where the server keeps failing', async () => {
    root.put('clusterrolebindings', sentBinding('a', 'system:kcp:metrics-reader'));
    root.put('clusterrolebindings', sentBinding('b', 'system:kcp:metrics-reader'));
    root.script.onPatch = () => ({ status: 500, body: { reason: 'InternalError', message: 'no quorum' } });
    const { code, err } = await ended('--once');
    expect({ code, last: err.at(-1) }).toEqual({ code: 1, last: 'gave up: 500 InternalError: no quorum' });
    expect(root.patches).toHaveLength(5);
  });

  it('gives up at once where it may not list', async () => {
    root.script.onRead = () => ({ status: 403, body: { reason: 'Forbidden', message: 'may not list' } });
    const { code, out, err } = await ended('--once');
    expect({ code, out }).toEqual({ code: 1, out: [] });
    expect(err).toEqual([expect.stringMatching(/^gave up: .*403.*may not list$/)]);
  });

  it('gives up after a while where the server does not answer', async () => {
    root.script.onRead = () => ({ status: 503 });
    const { code, out, err } = await ended('--once');
    expect({ code, out }).toEqual({ code: 1, out: [] });
    expect(err).toEqual([expect.stringMatching(/^gave up: .*503/)]);
  });
});

describe('replicate --dry-run', () => {
  it.each(['--dry-run', '--dry-run=true'])(
    'with --once %s says what would be done, and ends',
    async (flag) => {
      root.put('clusterrolebindings', sentBinding('prometheus', 'system:kcp:metrics-reader'));
      root.put('clusterrolebindings', sentBinding('old', 'system:discovery', { replicate: own }));
      expect(await ended('--once', flag)).toEqual({
        code: 0,
        out: [
          `would remove ${annotation} from ClusterRoleBinding "old" (no longer grants a shard-level path)`,
          'would annotate ClusterRoleBinding "prometheus" (grants get /metrics)',
        ],
        err: [],
      });
      expect(root.patches).toEqual([]);
    },
  );

  it('goes on without it, says everything once, and changes nothing', async () => {
    root.put('clusterrolebindings', sentBinding('a', 'system:kcp:metrics-reader'));
    const command = replicating('--dry-run');
    await command.printed(() => command.out.length === 1);
    root.put('clusterrolebindings', sentBinding('b', 'system:kcp:metrics-reader'));
    await command.printed(() => command.out.length === 2);
    expect(await command.stop()).toBe(0);
    expect(command.out).toEqual([
      'would annotate ClusterRoleBinding "a" (grants get /metrics)',
      'would annotate ClusterRoleBinding "b" (grants get /metrics)',
    ]);
    expect({ err: command.err, patches: root.patches }).toEqual({ err: [], patches: [] });
  });
});

describe('replicate', () => {
  it('follows what changes until it is stopped', async () => {
    const command = replicating();
    root.put('clusterrolebindings', sentBinding('scraper', 'own'));
    root.put('clusterroles', sentRole('own', [getMetrics]));
    await command.printed(() => command.out.length === 2);
    root.put('clusterroles', sentRole('own', [getPods], own));
    await command.printed(() => command.out.length === 4);
    expect(await command.stop()).toBe(0);
    expect(command.out).toEqual([
      'annotated ClusterRole "own" (grants get /metrics)',
      'annotated ClusterRoleBinding "scraper" (grants get /metrics)',
      `removed ${annotation} from ClusterRoleBinding "scraper" (no longer grants a shard-level path)`,
      `removed ${annotation} from ClusterRole "own" (no longer grants a shard-level path)`,
    ]);
    expect(command.err).toEqual([]);
    expect(root.annotation('clusterroles', 'own')).toBeUndefined();
    expect(root.annotation('clusterrolebindings', 'scraper')).toBeUndefined();
  });

  it('does not fight with whoever removes the annotation again and again, and says so', async () => {
    root.put('clusterrolebindings', sentBinding('prometheus', 'system:kcp:metrics-reader'));
    const command = replicating();
    for (const times of [1, 2, 3]) {
      await command.printed(() => command.out.length === times);
      root.annotate('clusterrolebindings', 'prometheus', undefined);
    }
    await command.printed(() => command.err.length === 1);
    expect(await command.stop()).toBe(0);
    expect(command.err).toEqual([
      'ClusterRoleBinding "prometheus": another client keeps removing the annotation; next try in 10 s',
    ]);
    expect(root.patches).toHaveLength(3);
  });

  it('changes nothing while it is out of step, and goes on when it is in step again', async () => {
    const command = replicating();
    root.put('clusterrolebindings', sentBinding('a', 'system:kcp:metrics-reader'));
    await command.printed(() => command.out.length === 1);
    root.script.onRead = () => ({ status: 503 });
    root.hangUp();
    await command.printed(() => command.err.length > 0);
    root.put('clusterrolebindings', sentBinding('b', 'system:kcp:metrics-reader'));
    root.script = {};
    await command.printed(() => command.err.at(-1) === 'in step with root');
    expect(root.patches).toHaveLength(1);
    await command.printed(() => command.out.length === 2);
    expect(await command.stop()).toBe(0);
    expect(command.err.at(0)).toMatch(/^out of step with root, nothing is changed: watch of /);
  });

  it('says once why it may not change something, and does not try again before something changes', async () => {
    root.put('clusterrolebindings', sentBinding('a', 'system:kcp:metrics-reader'));
    root.script.onPatch = ({ name }) => (name === 'a' ? { status: 403 } : undefined);
    const command = replicating();
    await command.printed(() => command.err.length === 1);
    root.put('clusterrolebindings', sentBinding('b', 'system:kcp:metrics-reader'));
    await command.printed(() => command.out.length === 1);
    expect(root.patches.map(({ name }) => name)).toEqual(['a', 'b']);

    root.put('clusterrolebindings', sentBinding('a', 'system:monitoring'));
    root.put('clusterrolebindings', sentBinding('c', 'system:kcp:metrics-reader'));
    await command.printed(() => command.out.length === 2);
    expect(await command.stop()).toBe(0);
    expect(root.patches.map(({ name }) => name)).toEqual(['a', 'b', 'a', 'c']);
    expect(command.err).toEqual(['ClusterRoleBinding "a": not changed: 403']);
  });

  it('asks for no more than its manifest grants, also of a server that knows no watch-list', async () => {
    root.put('clusterrolebindings', sentBinding('scraper', 'own'));
    root.put('clusterroles', sentRole('own', [getMetrics]));
    root.script.onRead = (_resource, verb) => (verb === 'watch-list' ? { status: 400 } : undefined);
    const command = replicating();
    await command.printed(() => command.out.length === 2);
    expect(await command.stop()).toBe(0);
    expect([...root.asked].sort()).toEqual(['list', 'patch', 'watch', 'watch-list']);
    expect(command.err).toEqual([]);
  });

  it('prints what others wrote on one line', async () => {
    root.put('clusterrolebindings', sentBinding('scraper', 'own'));
    root.put('clusterroles', sentRole('own', [{ verbs: ['get\nannotated'], nonResourceURLs: ['/metrics'] }]));
    const { out } = await ended('--once');
    expect(out[0]).toBe('annotated ClusterRole "own" (grants get\\u000aannotated /metrics)');
  });
});

describe('replicate refuses what it cannot use: exit code 2, one line naming the flag', () => {
  it.each<[args: readonly string[], message: RegExp]>([
    [[], /^--root-kubeconfig: required: /],
    [['--root-kubeconfig=/does/not/exist'], /^--root-kubeconfig: .*\/does\/not\/exist/],
    [['--root-kubeconfig=x', '--once=perhaps'], /^--once: "perhaps" is not true or false$/],
    [['--root-kubeconfig=x', '--dry-run=perhaps'], /^--dry-run: "perhaps" is not true or false$/],
    [['--no-such-flag'], /^error: unknown option '--no-such-flag'$/],
  ])('%j', async (args, message) => {
    const command = new Replicating(args);
    expect(await command.exited).toBe(2);
    expect({ out: command.out, err: command.err }).toEqual({
      out: [],
      err: [expect.stringMatching(message)],
    });
  });
});
