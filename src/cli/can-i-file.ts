import { readDocuments } from '../documents/documents.js';
import type { Attributes } from '../authorization/authorizer.js';
import { clusterOf } from '../kubernetes/reflector/json.js';

/** A SubjectAccessReview and its question; undefined if it asks about a resource. */
export interface Review {
  readonly document: Readonly<Record<string, unknown>>;
  readonly attributes: Attributes | undefined;
  /** Of its annotation `kcp.io/cluster`: where it is to be decided. */
  readonly workspace: string | undefined;
}

const textsOfResource = ['namespace', 'verb', 'group', 'version', 'resource', 'subresource', 'name'] as const;

/** Reads SubjectAccessReviews: JSON, JSON lines or YAML documents, single or in a List. @throws Error */
export function parseReviews(text: string): readonly Review[] {
  return parseDocuments(text)
    .flatMap((document, at) => itemsOf(document, `document ${at + 1}`))
    .map(({ document, where }) => reviewOf(document, where));
}

function parseDocuments(text: string): readonly unknown[] {
  if (/^\s*\{/.test(text)) {
    try {
      return [JSON.parse(text) as unknown];
    } catch {
      const lines = text.split('\n').filter((line) => line.trim() !== '');
      const documents = lines.map(parseLine);
      if (documents.every((document) => document !== undefined)) return documents;
    }
  }
  const found: unknown[] = [];
  let count = 0;
  const fail = (line: number, fault: string): never => {
    throw new Error(`document ${count + 1}: line ${line}: ${fault}`);
  };
  for (const { value } of readDocuments(text, 'manifest', { file: '', fail })) {
    count += 1;
    if (value !== null) found.push(value);
  }
  return found;
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

interface Located {
  readonly document: unknown;
  readonly where: string;
}

function itemsOf(document: unknown, where: string): readonly Located[] {
  const kind = fieldOf(document, 'kind');
  const items = fieldOf(document, 'items');
  if ((kind !== 'List' && kind !== 'SubjectAccessReviewList') || !Array.isArray(items)) {
    return [{ document, where }];
  }
  return items.map((item: unknown, at) => ({ document: item, where: `${where}, item ${at + 1}` }));
}

function reviewOf(document: unknown, where: string): Review {
  if (!isRecord(document)) throw new Error(`${where}: not an object`);
  const { kind, apiVersion, spec } = document;
  if (kind !== 'SubjectAccessReview') throw new Error(`${where}: kind is not SubjectAccessReview`);
  if (apiVersion !== 'authorization.k8s.io/v1')
    throw new Error(`${where}: apiVersion is not authorization.k8s.io/v1`);
  if (!isRecord(spec)) throw new Error(`${where}: spec is missing`);
  const asked = spec['nonResourceAttributes'] ?? undefined;
  const resource = spec['resourceAttributes'] ?? undefined;
  // The wording of the API server's own validation.
  if ((asked === undefined) === (resource === undefined)) {
    throw new Error(
      `${where}: spec: exactly one of nonResourceAttributes or resourceAttributes must be specified`,
    );
  }
  for (const field of ['nonResourceAttributes', 'resourceAttributes', 'extra']) {
    const value = spec[field] ?? undefined;
    if (value !== undefined && !isRecord(value)) throw new Error(`${where}: spec.${field}: not an object`);
  }
  const user = text(spec['user'], `${where}: spec.user`);
  const groups = textList(spec['groups'], `${where}: spec.groups`);
  text(spec['uid'], `${where}: spec.uid`);
  for (const field of textsOfResource) {
    text(fieldOf(resource, field), `${where}: spec.resourceAttributes.${field}`);
  }
  if (user === '' && groups.length === 0) {
    throw new Error(`${where}: spec.user: at least one of user or group must be specified`);
  }
  const workspace = clusterOf(document);
  if (asked === undefined) return { document, attributes: undefined, workspace };
  const extra = isRecord(spec['extra']) ? Object.entries(spec['extra']) : [];
  return {
    document,
    workspace,
    attributes: {
      identity: {
        name: user,
        groups,
        extra: Object.fromEntries(
          extra.map(([key, values]) => [key, textList(values, `${where}: spec.extra`)]),
        ),
      },
      verb: text(fieldOf(asked, 'verb'), `${where}: spec.nonResourceAttributes.verb`),
      path: text(fieldOf(asked, 'path'), `${where}: spec.nonResourceAttributes.path`),
    },
  };
}

function text(value: unknown, where: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw new Error(`${where}: not a string`);
  return value;
}

function textList(value: unknown, where: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error(`${where}: not a list`);
  return value.map((item: unknown) => text(item, where));
}

function fieldOf(value: unknown, field: string): unknown {
  return isRecord(value) ? value[field] : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
