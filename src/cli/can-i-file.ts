import { readDocuments, type ReadDocument } from '../documents/documents.js';
import { Field } from '../documents/field.js';
import type { Source } from '../documents/source.js';
import type { Attributes } from '../authorization/authorizer.js';
import { clusterOf } from '../kubernetes/json.js';

/** A SubjectAccessReview and its question; undefined if it asks about a resource. */
export interface Review {
  readonly document: object;
  readonly attributes: Attributes | undefined;
  /** The logical cluster that it is to be decided in, by its annotation `kcp.io/cluster`. */
  readonly workspace: string | undefined;
}

/**
 * Reads SubjectAccessReviews: JSON, JSON lines or YAML documents, single or in a List.
 * @throws Error naming document, line and field.
 */
export function parseReviews(text: string): readonly Review[] {
  const reviews: Review[] = [];
  let number = 1;
  const source: Source = {
    file: '',
    fail: (line, fault) => {
      throw new Error(`document ${number}: ${line === unknownLine ? '' : `line ${line}: `}${fault}`);
    },
  };
  for (const document of jsonDocuments(text, source) ?? readDocuments(text, 'manifest', source)) {
    if (document.value !== null) reviews.push(...reviewsIn(Field.root(document)));
    number += 1;
  }
  return reviews;
}

/** The line of what is in JSON, whose parser tells none. */
const unknownLine = 0;

/** Undefined if it is neither JSON nor lines of JSON. */
function jsonDocuments(text: string, source: Source): readonly ReadDocument[] | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  for (const texts of [[text], text.split('\n').filter((line) => line.trim() !== '')]) {
    try {
      return texts.map((one) => ({ value: JSON.parse(one) as unknown, source, lineOf: () => unknownLine }));
    } catch {
      // Lines of JSON, or YAML that begins as JSON does.
    }
  }
  return undefined;
}

function reviewsIn(root: Field): readonly Review[] {
  root.requireObject();
  const items = root.get('items');
  const isList = ['List', 'SubjectAccessReviewList'].includes(String(root.get('kind').value));
  return isList && Array.isArray(items.value) ? items.list().map(reviewOf) : [reviewOf(root)];
}

const textsOfResource = ['namespace', 'verb', 'group', 'version', 'resource', 'subresource', 'name'] as const;

function reviewOf(review: Field): Review {
  review.get('kind').oneOf('SubjectAccessReview');
  review.get('apiVersion').oneOf('authorization.k8s.io/v1');
  const spec = review.get('spec');
  spec.requireObject();
  const asked = spec.get('nonResourceAttributes');
  const resource = spec.get('resourceAttributes');
  // As the API server validates it.
  if (asked.isAbsent === resource.isAbsent) {
    spec.fail('must have exactly one of nonResourceAttributes and resourceAttributes');
  }
  const name = spec.get('user').optionalString() ?? '';
  const groups = spec.get('groups').strings();
  const extra = spec.get('extra').entries();
  spec.get('uid').optionalString();
  for (const field of textsOfResource) resource.get(field).optionalString();
  if (name === '' && groups.length === 0) spec.fail('must have a user or groups');
  return {
    document: review.value as object,
    workspace: clusterOf(review.value),
    attributes: asked.isAbsent
      ? undefined
      : {
          identity: {
            name,
            groups,
            extra: Object.fromEntries(extra.map(([key, values]) => [key, values.strings()])),
          },
          verb: asked.get('verb').optionalString() ?? '',
          path: asked.get('path').optionalString() ?? '',
        },
  };
}
