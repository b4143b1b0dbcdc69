import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { startOptions } from '../../src/options/start-topics.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, outputOf, repository, startCommand, type Started } from './commands.js';
import { exampleReadme, scriptWith } from './readme.js';

const example = join(repository, 'examples/tenant-gateway');
const read = (file: string): string => readFileSync(join(example, file), 'utf8');
const readme = exampleReadme('tenant-gateway');
const [steps = []] = readme.transcripts;

describe('the gateway of the examples, before a backend of several tenants', () => {
  const directory = temporaryDirectory();
  let credentials: string;
  let backend: Started;
  let gateway: Started;
  beforeAll(async () => {
    credentials = join(directory.path, 'credentials');
    await createCredentials(credentials);
    await promisify(execFile)(join(example, 'create-certificates.sh'), [credentials]);
    const here = (...words: readonly string[]): string =>
      scriptWith(readme, ...words).replaceAll('/tmp/kcp-example', directory.path);
    backend = await startCommand(
      here('backend.mjs').replace('PORT=9443', 'PORT=0'),
      /listening on https:\/\/127\.0\.0\.1:(\d+)/,
    );
    gateway = await startCommand(
      here('dist/cli/main.js start')
        .replace('--secure-port=8443', '--secure-port=0 --scrape-freshness=1m')
        .replace('localhost:9443', `localhost:${backend.found}`),
      /"url":"https:\/\/127\.0\.0\.1:(\d+)"/,
    );
  });
  const output = (command: string): Promise<string> =>
    outputOf(
      command
        .replace('localhost:8443', `localhost:${gateway.found}`)
        .replace('localhost:9443', `localhost:${backend.found}`),
      credentials,
    );

  it('prints what its README shows', async () => {
    expect(steps).toHaveLength(6);
    for (const { command, output: shown } of steps) {
      expect(await output(command), command).toBe(shown);
    }
  });

  it('gives each tenant his own, also where all scrape at the same time and expositions are kept', async () => {
    const [acme, globex] = steps.map(({ command, output: shown }) => ({ command, shown }));
    const asked = Array.from({ length: 12 }, (_, at) => (at % 2 === 0 ? acme : globex));
    const answers = await Promise.all(asked.map((step) => output(step?.command ?? '')));
    expect(answers).toEqual(asked.map((step) => step?.shown));
  });
});

interface Deployment {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly [
          {
            readonly args: readonly string[];
            readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
          },
        ];
        readonly volumes: readonly {
          readonly name: string;
          readonly configMap?: { readonly name: string };
        }[];
      };
    };
  };
}

interface Kustomization {
  readonly resources: readonly string[];
  readonly configMapGenerator: readonly [{ readonly name: string; readonly files: readonly string[] }];
}

describe('the manifests of the gateway', () => {
  const [deployment] = parseAllDocuments(read('gateway.yaml')).map(
    (document) => document.toJS() as Deployment,
  );
  const pod = deployment?.spec.template.spec;
  const container = pod?.containers[0];
  const kustomization = parse(read('kustomization.yaml')) as Kustomization;

  it('name files that are there', () => {
    const [generated] = kustomization.configMapGenerator;
    expect(kustomization.resources.filter((file) => !readdirSync(example).includes(file))).toEqual([]);
    expect(generated.files).toEqual(readdirSync(join(example, 'rbac')).map((file) => `rbac/${file}`));
    expect(pod?.volumes.map(({ configMap }) => configMap?.name)).toContain(generated.name);
  });

  it('fit together: flags, files, volumes', () => {
    const [, ...flags] = container?.args ?? [];
    const known: readonly string[] = startOptions.map(({ name }) => name);
    expect(flags.map((flag) => flag.split('=')[0]).filter((flag) => !known.includes(flag ?? ''))).toEqual([]);
    const mounts = container?.volumeMounts ?? [];
    expect(mounts.map(({ name }) => name)).toEqual(pod?.volumes.map(({ name }) => name));
    const files = flags.flatMap((flag) => /=(\/.*)$/.exec(flag)?.[1] ?? []);
    expect(files).toHaveLength(7);
    expect(
      files.filter((file) => !mounts.some(({ mountPath }) => `${file}/`.startsWith(`${mountPath}/`))),
    ).toEqual([]);
  });

  it('have the flags of the README, but for places', () => {
    const withoutPlace = (flag: string): string => flag.replace(/=(?:.*\/.*|127\.0\.0\.1|0\.0\.0\.0)$/, '');
    const script = scriptWith(readme, 'dist/cli/main.js start').match(/--\S+/g) ?? [];
    expect((container?.args.slice(1) ?? []).map(withoutPlace).sort()).toEqual(
      script.map(withoutPlace).sort(),
    );
  });
});
