import { other, type RequestLabels } from './request-labels.js';

/** A resource that is told apart from others, with its subresources. */
export interface InstrumentedResource {
  /** Empty for the group of `/api`. */
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** Default: none. */
  readonly subresources?: readonly string[];
}

export interface BoundedLabelsOptions {
  /** All that are told apart. Without them resources are learned from requests that were served. */
  readonly resources: readonly InstrumentedResource[] | undefined;
  /** How many may be learned, a subresource counting as one. */
  readonly maxResources: number;
}

type NamedResource = Pick<RequestLabels, 'group' | 'version' | 'resource' | 'subresource'>;

/**
 * How many sets of labels resources have between them, however many verbs, scopes and dry runs somebody tries
 * out on them: each is some fifty lines of an exposition.
 */
const maxLabelSets = 4000;
/** How many of them may come from requests that were refused: anybody can have requests refused. */
const maxRefused = 500;
const groupName = /^[\w.-]{0,253}$/;
const word = /^[\w.-]{1,63}$/;

/**
 * Keeps what clients choose from growing the registry. A resource that is not known is `other` in all four
 * labels. It becomes known by a request that was served, so that nobody teaches names by being refused.
 */
export class BoundedLabels {
  readonly #resources = new Set<string>();
  readonly #labelSets = new Map<string, RequestLabels>();
  readonly #room: number;
  #refused = 0;

  constructor({ resources, maxResources }: BoundedLabelsOptions) {
    for (const { group, version, resource, subresources = [] } of resources ?? []) {
      for (const subresource of ['', ...subresources]) {
        this.#resources.add(resourceKey({ group, version, resource, subresource }));
      }
    }
    this.#room = resources === undefined ? maxResources : 0;
  }

  /** The labels to report: the same object for the same labels, once they have been reported as they are. */
  of(labels: RequestLabels, isResourceRequest: boolean, wasServed: boolean): RequestLabels {
    const resource = resourceKey(labels);
    const labelSet = `${labels.component} ${labels.verb} ${labels.scope} ${labels.dry_run} ${resource}`;
    const reported = this.#labelSets.get(labelSet);
    if (reported !== undefined) return reported;
    if (isResourceRequest) {
      const hasRoom = this.#labelSets.size < maxLabelSets && (wasServed || this.#refused < maxRefused);
      if (!hasRoom || !this.#isKnown(resource, labels, wasServed)) {
        return this.of(unknown(labels), false, wasServed);
      }
      if (!wasServed) this.#refused += 1;
    }
    this.#labelSets.set(labelSet, labels);
    return labels;
  }

  #isKnown(key: string, labels: NamedResource, wasServed: boolean): boolean {
    if (this.#resources.has(key)) return true;
    if (!wasServed || this.#resources.size >= this.#room || !isPlain(labels)) return false;
    this.#resources.add(key);
    return true;
  }
}

/** Whether names have a length and characters that Kubernetes' have; what has not is no API's. */
function isPlain({ group, version, resource, subresource }: NamedResource): boolean {
  return (
    groupName.test(group) &&
    word.test(version) &&
    word.test(resource) &&
    (subresource === '' || word.test(subresource))
  );
}

function unknown({ verb, dry_run: dryRun, scope, component }: RequestLabels): RequestLabels {
  return {
    verb,
    dry_run: dryRun,
    group: other,
    version: other,
    resource: other,
    subresource: other,
    scope,
    component,
  };
}

function resourceKey({ group, version, resource, subresource }: NamedResource): string {
  return `${group}/${version}/${resource}/${subresource}`;
}
