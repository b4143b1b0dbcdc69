import type { Identity } from '../authentication/identity.js';
import type { Decision } from './authorizer.js';

/** A workspace whose metrics somebody may read. */
export interface ReadableWorkspace {
  /** The name of its logical cluster. */
  readonly cluster: string;
  /** Such as `root:org`; a workspace without a LogicalCluster has none. */
  readonly path?: string;
}

/** Who may read the metrics of which workspace. */
export interface WorkspaceAccess {
  /** Why nothing can be decided now, or undefined. */
  unavailable(): string | undefined;
  /**
   * The logical cluster behind its name or a workspace's path; undefined for an unknown one, a system workspace, and one
   * that is not ready.
   */
  clusterOf(workspace: string): string | undefined;
  /**
   * Whether the identity may `verb` `/metrics` of a logical cluster. An unknown one is refused like one that grants
   * nothing, in about the same time. The reason names binding, role and workspace.
   */
  authorize(identity: Identity, verb: string, cluster: string | undefined): Decision;
  /** The workspaces whose metrics the identity may `get`; undefined for a step that found none. */
  readable(identity: Identity): Generator<ReadableWorkspace | undefined, void, undefined>;
  /** Grows with each change of the policy. */
  readonly version: number;
}
