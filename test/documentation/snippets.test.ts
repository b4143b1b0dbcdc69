import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import * as filter from '../../src/index.js';
import * as server from '../../src/server-exports.js';
import { optionsIn } from '../../src/options/option.js';
import { loadedCommands } from '../support/command-line.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const examples = readdirSync(join(root, 'examples')).map((name) => `examples/${name}/README.md`);
const docs = readdirSync(join(root, 'docs')).map((name) => `docs/${name}`);
const pages = [...readdirSync(root).filter((name) => name.endsWith('.md')), ...docs, ...examples];

/** As GitHub makes them of headings; for a link without a page they are those of its own. */
function anchorsOf(text: string): readonly string[] {
  const headings = text.replaceAll(/^```.*?^```/gms, '').match(/(?<=^#{1,6} ).*/gm) ?? [];
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe.each(pages)('the links of %s', (page) => {
  const links = [...read(page).matchAll(/\]\((?!https?:)([^)\s]*)\)/g)].map(([, link = '']) => link);

  it('lead to files and headings', () => {
    const dead = links.filter((link) => {
      const [path = '', anchor] = link.split('#');
      const file = path === '' ? page : join(dirname(page), decodeURIComponent(path));
      if (!existsSync(join(root, file))) return true;
      if (path.endsWith('/') !== statSync(join(root, file)).isDirectory()) return path.endsWith('/');
      return anchor !== undefined && !anchorsOf(read(file)).includes(anchor);
    });
    expect(dead).toEqual([]);
  });
});

interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = pages.flatMap((page) =>
  [...read(page).matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({
    page,
    language,
    text,
  })),
);

interface Binding {
  readonly kind: string;
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
}

describe('the snippets of the documents', () => {
  const inLanguage = (...languages: readonly string[]): readonly Block[] =>
    blocks.filter(({ language }) => languages.includes(language));

  it('in JavaScript and TypeScript can be parsed, and import what there is', () => {
    const exported: Readonly<Record<string, object>> = {
      'kcp-metrics-filter': filter,
      'kcp-metrics-filter/server': server,
    };
    const snippets = [
      ...inLanguage('js', 'ts'),
      // Those that a shell writes into files.
      ...inLanguage('sh').flatMap(({ page, text }) =>
        [...text.matchAll(/^cat > \S+\.js <<'END'\n(.*?)^END$/gms)].map(([, script = '']) => ({
          page,
          text: script,
        })),
      ),
    ];
    expect(snippets.length).toBeGreaterThan(12);
    for (const { page, text } of snippets) {
      const { diagnostics } = ts.transpileModule(text, {
        reportDiagnostics: true,
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
      });
      expect(
        diagnostics?.map(({ messageText }) => messageText),
        page,
      ).toEqual([]);
      for (const [, names = '', from = ''] of text.matchAll(/^import \{([^}]*)\} from '([^']*)'/gm)) {
        const known = exported[from];
        if (known === undefined) continue;
        const missing = names.split(',').filter((name) => name.trim() !== '' && !(name.trim() in known));
        expect(missing, `${page}: ${from}`).toEqual([]);
      }
    }
  });

  it('in YAML and JSON can be parsed', () => {
    const snippets = inLanguage('yaml', 'json');
    expect(snippets.length).toBeGreaterThan(4);
    for (const { page, text } of snippets) {
      const errors = parseAllDocuments(text).flatMap((document) => document.errors.map(String));
      expect(errors, page).toEqual([]);
    }
  });

  it("grant kcp's role as doctor wants it: with the annotation for the other shards", () => {
    const manifests = [
      ...inLanguage('yaml').map(({ text }) => text),
      // Those that a shell writes into files.
      ...inLanguage('sh').flatMap(({ text }) => text.match(/(?<=\.yaml <<'END'\n).*?(?=^END$)/gms) ?? []),
    ];
    const bindings = manifests
      .flatMap((text) =>
        parseAllDocuments(text).map((document) => document.toJS() as unknown as Binding | null),
      )
      // In a workspace other than root, nothing is copied.
      .filter(
        (object) => object?.kind === 'ClusterRoleBinding' && !object.metadata.annotations?.['kcp.io/cluster'],
      );
    expect(bindings.length).toBeGreaterThan(0);
    for (const binding of bindings) {
      expect(binding).toMatchObject({ metadata: { annotations: { 'internal.kcp.io/replicate': 'true' } } });
    }
  });

  it('call commands that exist, with flags of theirs', () => {
    const flags = new Map(
      loadedCommands.map(({ name, topics }) => [
        name,
        new Set<string>(optionsIn(topics).map((one) => one.name)),
      ]),
    );
    const unknown: string[] = [];
    let calls = 0;
    for (const { page, language, text } of blocks) {
      if (!['sh', 'console'].includes(language)) continue;
      const lines = text.replaceAll(/\\\n\s*/g, '').split('\n');
      for (const line of lines) {
        const [, command = '', rest = ''] =
          /(?:^|\s|\$ )(?:kcp-metrics-filter|dist\/cli\/main\.js) ([a-z][a-z-]*)( .*|$)/.exec(line) ?? [];
        if (command === '' || line.startsWith('#')) continue;
        if (language === 'console' && !line.startsWith('$ ')) continue;
        calls += 1;
        // Its arguments are another program's.
        if (command === 'migrate') continue;
        const known = flags.get(command);
        const named = rest.split(/ [|>] ?/)[0]?.match(/(?<= )--[a-z][a-z-]*/g) ?? [];
        const wrong = named.filter((flag) => flag !== '--help' && known?.has(flag) !== true);
        if (known === undefined || wrong.length > 0) unknown.push(`${page}: ${command} ${wrong.join(' ')}`);
      }
    }
    expect(calls).toBeGreaterThan(15);
    expect(unknown).toEqual([]);
  });
});

/** What docs/ shows and no test here runs, with the reason. READMEs are run by test/packaging and test/examples. */
const notRun: readonly (readonly [command: RegExp, reason: string])[] = [
  [/: helm install/, 'needs a cluster; test/e2e/helm-chart.e2e.ts renders and lints the chart'],
  [/: kcp-metrics-filter start --rbac-dir/, 'serves until it is stopped; test/server starts such servers'],
  [
    /: kcp-metrics-filter start --token-auth-file/,
    'serves until it is stopped; test/examples has such a server',
  ],
  [/: kcp-metrics-filter start --client-ca-file/, 'needs an API server, as in test/e2e'],
  [
    /: kcp-metrics-filter start --virtual-cluster/,
    'needs a host cluster, as in test/e2e/virtual-cluster.e2e.ts',
  ],
  [/: kcp-metrics-filter replicate/, 'needs an API server, as in test/e2e/replicate.e2e.ts'],
  [
    /: kcp-metrics-filter doctor/,
    'counts depend on the age of certificates; test/cli/doctor has its findings',
  ],
  [
    /migrating-from-kube-rbac-proxy\.md: /,
    'its files are another program’s; test/cli/migrate runs its examples',
  ],
  [/: kcp-metrics-filter can-i .* --workspace /, 'needs a folder of workspaces, which the page describes'],
  [/: curl /, 'needs a server and its token; test/server/z-pages has the page'],
];

interface Shown {
  readonly page: string;
  readonly command: string;
  /** Undefined where none is shown. */
  readonly output: string | undefined;
}

describe('the commands of docs/', () => {
  const folder = temporaryDirectory();
  beforeAll(() => {
    cpSync(join(root, 'rbac'), join(folder.path, 'rbac'), { recursive: true });
    mkdirSync(join(folder.path, 'workspaces'));
    const workspaces = blocks.find(
      ({ page, text }) => page === 'docs/policy.md' && text.includes('LogicalCluster'),
    );
    folder.write('workspaces/root-wa.yaml', workspaces?.text ?? '');
    folder.write(
      'config.yaml',
      'apiVersion: kcp-metrics-filter/v1alpha1\nkind: MetricsFilterConfiguration\ntlsCertfile: tls.crt\nclientCaFile: ca.crt\nanonymousAuth: "true"\n',
    );
  });

  const commands = blocks
    .filter(({ page, language }) => page.startsWith('docs/') && ['sh', 'console'].includes(language))
    .flatMap(({ page, language, text }): readonly Shown[] => {
      const joined = text.replaceAll(/\\\n\s*/g, '');
      if (language === 'sh')
        return joined
          .trim()
          .split('\n')
          .map((command) => ({ page, command, output: undefined }));
      return joined
        .split(/^\$ /m)
        .slice(1)
        .map((step) => {
          const [command = '', ...lines] = step.split('\n');
          return { page, command, output: lines.join('\n').trimEnd() };
        });
    });
  const isRun = ({ page, command }: Shown): boolean =>
    !notRun.some(([pattern]) => pattern.test(`${page}: ${command}`));

  it('are left out for a reason each, and none in vain', () => {
    for (const [pattern] of notRun) {
      expect(
        commands.filter(({ page, command }) => pattern.test(`${page}: ${command}`)).length,
        String(pattern),
      ).toBeGreaterThan(0);
    }
    expect(commands.filter(isRun).length).toBeGreaterThan(3);
  });

  it.each(commands.filter(isRun))('$page: $command', ({ command, output }) => {
    const main = join(root, 'dist/cli/main.js');
    const { stdout, stderr, status } = spawnSync(
      'bash',
      ['-c', command.replace(/^kcp-metrics-filter/, `node ${main}`)],
      { cwd: folder.path, encoding: 'utf8' },
    );
    if (output === undefined) expect(status, stderr).toBe(0);
    else expect(`${stdout}${stderr}`.trimEnd()).toBe(output);
  });
});
