import { LRUCache } from 'lru-cache';
import { credentialIdKey, type Identity } from '../authentication/identity.js';
import type { ReadableWorkspace, WorkspaceAccess } from '../authorization/workspace-access.js';
import { wholeOrStreamed } from '../exposition/body.js';
import type { Exposition } from '../exposition/exposition.js';
import { TimeSlice } from '../time-slice.js';

const contentType = 'application/json';
/** Of a list (characters); to put the host into so much takes no millisecond. */
const pieceLength = 64 * 1024;
/** All lists together (characters); those that nobody has asked for the longest are forgotten first. */
const maxRemembered = 16 * 1024 * 1024;
/** A host name or an address, and perhaps a port. */
const hostPattern = /^(?:[a-z0-9_][a-z0-9._-]{0,252}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

/** A list in pieces: of each workspace a line feed and what stands behind the host. JSON has no other line feed. */
type Pieces = readonly string[];

/**
 * The workspaces whose metrics somebody may read, as Prometheus' HTTP service discovery takes them. A list is worked out in
 * slices, once for all who ask meanwhile, and remembered until the policy changes.
 */
export class WorkspaceTargets {
  readonly #underWay = new Map<string, Promise<Pieces>>();
  readonly #remembered = new LRUCache<string, Pieces>({
    maxSize: maxRemembered,
    sizeCalculation: (pieces, key) => pieces.reduce((sum, { length }) => sum + length, key.length),
  });
  #version: number | undefined;

  constructor(private readonly access: WorkspaceAccess) {}

  /** @param host that the client asked, with its port; undefined is returned where it is none. */
  of(identity: Identity, host: string): Exposition | undefined {
    if (!hostPattern.test(host)) return undefined;
    return {
      contentType: () => contentType,
      render: async () =>
        wholeOrStreamed(contentType, listOf(await this.#piecesOf(identity), host), 4 * pieceLength),
    };
  }

  async #piecesOf(identity: Identity): Promise<Pieces> {
    const { version } = this.access;
    if (version !== this.#version) this.#remembered.clear();
    this.#version = version;
    const { name, groups, extra } = identity;
    const entries = Object.entries(extra).filter(([key]) => key !== credentialIdKey);
    const key = JSON.stringify([version, name, groups, entries]);
    const known = this.#remembered.get(key) ?? this.#underWay.get(key);
    if (known !== undefined) return known;
    const finding = this.#find(identity);
    this.#underWay.set(key, finding);
    try {
      const pieces = await finding;
      // What changed while it was put together is not remembered.
      if (this.access.version === version && this.#version === version) this.#remembered.set(key, pieces);
      return pieces;
    } finally {
      this.#underWay.delete(key);
    }
  }

  async #find(identity: Identity): Promise<Pieces> {
    const slice = new TimeSlice().begin();
    const pieces: string[] = [];
    let groups: string[] = [];
    let length = 0;
    for (const workspace of this.access.readable(identity)) {
      if (workspace !== undefined) {
        const group = groupOf(workspace);
        length += group.length;
        groups.push(group);
      }
      if (length > pieceLength) {
        pieces.push(groups.join(''));
        groups = [];
        length = 0;
      }
      if (slice.isOver) await slice.rest();
    }
    return groups.length === 0 ? pieces : [...pieces, groups.join('')];
  }
}

function groupOf({ cluster, path }: ReadableWorkspace): string {
  const labels = {
    __metrics_path__: `/clusters/${cluster}/metrics`,
    __meta_kcp_cluster: cluster,
    // JSON leaves out what is undefined.
    __meta_kcp_workspace_path: path,
  };
  return `\n"],"labels":${JSON.stringify(labels)}}`;
}

async function* listOf(pieces: Pieces, host: string): AsyncGenerator<Uint8Array, Uint8Array, undefined> {
  const slice = new TimeSlice().begin();
  let separator = '[';
  for (const piece of pieces) {
    yield Buffer.from(separator + piece.replaceAll('\n', `,{"targets":["${host}`).slice(1));
    separator = ',';
    if (slice.isOver) await slice.rest();
  }
  return Buffer.from(separator === '[' ? '[]' : ']');
}
