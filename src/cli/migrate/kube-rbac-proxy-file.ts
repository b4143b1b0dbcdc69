import { readDocument } from '../../documents/documents.js';
import { Field, shownName } from '../../documents/field.js';
import { sourceOf, utf8TextOf } from '../../documents/source.js';
import { FilesRead } from '../../files/files-read.js';
import { didYouMean } from '../../options/did-you-mean.js';
import { UsageError } from '../../options/usage-error.js';

export type StaticRule = ReturnType<typeof staticRuleOf>;

/** The file of kube-rbac-proxy's flag for its configuration. */
export type KubeRbacProxyFile = Awaited<ReturnType<typeof readKubeRbacProxyFile>>;

export const noFile: KubeRbacProxyFile = { resourceAttributes: undefined, rewrites: [], staticRules: [] };

const maxBytes = 1024 * 1024;
const matched = ['namespace', 'apiGroup', 'resource', 'subresource', 'name'] as const;

/** Stricter than kube-rbac-proxy, which passes over unknown fields. @throws UsageError naming file, line and field. */
export async function readKubeRbacProxyFile(file: string) {
  const reading = await new FilesRead().read(file, maxBytes);
  if (reading.kind === 'fault') throw new UsageError(`migrate: ${file} ${reading.fault}`);
  const source = sourceOf(file, UsageError);
  const root = Field.root(readDocument(utf8TextOf(reading.bytes, source), 'configuration', source));
  known(root, 'authorization');
  const authorization = root.get('authorization');
  known(authorization, 'rewrites', 'resourceAttributes', 'static');
  const rewrites = authorization.get('rewrites');
  known(rewrites, 'byQueryParameter', 'byHttpHeader');
  const attributes = authorization.get('resourceAttributes');
  known(attributes, 'apiVersion', ...matched);
  return {
    /** What every request is authorized for, in place of its path. */
    resourceAttributes: attributes.isAbsent ? undefined : textsOf(attributes, ['apiVersion', ...matched]),
    /** What a client may put into the attributes: `query parameter "namespace"`. */
    rewrites: [
      ...rewrittenBy(rewrites.get('byQueryParameter'), 'query parameter'),
      ...rewrittenBy(rewrites.get('byHttpHeader'), 'header'),
    ],
    staticRules: authorization.get('static').list().map(staticRuleOf),
  };
}

function known(field: Field, ...names: readonly string[]): void {
  for (const [name, member] of field.entries()) {
    if (names.includes(name)) continue;
    member.fail(`is an unknown field${didYouMean(shownName(name), names)}`);
  }
}

function textsOf(field: Field, names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = field.get(name).optionalText();
      return text === undefined ? [] : [[name, text]];
    }),
  );
}

function rewrittenBy(field: Field, what: string): readonly string[] {
  known(field, 'name');
  const name = field.get('name').optionalText();
  return name === undefined ? [] : [`${what} ${JSON.stringify(name)}`];
}

/** A rule that allows without asking the API server; a field that is undefined matches anything. */
function staticRuleOf(rule: Field) {
  // Go reads the field's name in any case, and documentation has both.
  known(rule, 'user', 'User', 'verb', 'path', 'resourceRequest', ...matched);
  const user = rule.get(rule.get('user').isAbsent ? 'User' : 'user');
  known(user, 'name', 'groups');
  const isResource = rule.get('resourceRequest').boolean();
  const path = rule.get('path').optionalText();
  if (isResource !== (path === undefined)) {
    rule.fail('must have either a path or resourceRequest: kube-rbac-proxy does not start with it');
  }
  return {
    user: user.get('name').optionalText(),
    groups: user.get('groups').strings(),
    verb: rule.get('verb').optionalText(),
    path,
    isResource,
    /** Of resources, by the names of `resourceAttributes`. */
    attributes: textsOf(rule, matched),
  };
}
