import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const begin = '<!-- exports: written by npm run docs -->';
const end = '<!-- end of exports -->';

/** The section of docs/library.md about what the package exports, from the types of its entries. */
export function withExports(page) {
  const [before = '', rest = ''] = page.split(begin);
  const [, after = ''] = rest.split(end);
  return `${before}${begin}\n\n<!-- prettier-ignore-start -->\n${tables()}\n<!-- prettier-ignore-end -->\n\n${end}${after}`;
}

const entries = [
  ['kcp-metrics-filter', '../../src/index.ts'],
  ['kcp-metrics-filter/server', '../../src/server-exports.ts'],
];

function tables() {
  const files = entries.map(([, path]) => fileURLToPath(new URL(path, import.meta.url)));
  const options = { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2023, strict: true };
  const program = ts.createProgram(files, { ...options, types: ['node'] });
  const checker = program.getTypeChecker();
  return entries
    .map(([name], at) => {
      const entry = checker.getSymbolAtLocation(program.getSourceFile(files[at]));
      const rows = checker.getExportsOfModule(entry).flatMap((symbol) => row(checker, symbol));
      return `### \`${name}\`\n\n| export | what it is |\n| --- | --- |\n${rows.join('\n')}`;
    })
    .join('\n\n');
}

/** Functions, classes and values; types are documented where an editor shows them. */
function row(checker, exported) {
  const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
  const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported;
  if ((symbol.flags & ts.SymbolFlags.Value) === 0 || isTypeOnly(exported)) return [];
  const doc = ts.displayPartsToString(symbol.getDocumentationComment(checker));
  // Its first sentence.
  const [sentence = ''] = doc
    .replace(/\s+/g, ' ')
    .trim()
    .split(/:? ```|(?<=[.:]) (?=[A-Z`])/);
  return [`| \`${exported.name}\` | ${sentence.replaceAll('|', '\\|').replace(/:$/, '.')} |`];
}

function isTypeOnly({ declarations = [] }) {
  return declarations.some(
    (declared) => ts.isExportSpecifier(declared) && ts.isTypeOnlyExportDeclaration(declared),
  );
}
