import type { ReadableWorkspace, WorkspaceAccess } from '../../src/authorization/workspace-access.js';

export interface GrantedWorkspace extends ReadableWorkspace {
  /** By verb, the names of the users to whom it is granted. */
  readonly granted: Readonly<Record<string, readonly string[]>>;
}

/** Access that is told, for tests of what is served; `fault` makes it unavailable. */
export class GrantedWorkspaces implements WorkspaceAccess {
  version = 1;
  fault: string | undefined;
  /** How often it was looked for what somebody may read. */
  lists = 0;
  workspaces: readonly GrantedWorkspace[];

  constructor(workspaces: readonly GrantedWorkspace[]) {
    this.workspaces = workspaces;
  }

  unavailable(): string | undefined {
    return this.fault;
  }

  clusterOf(workspace: string): string | undefined {
    return this.workspaces.find(({ cluster, path }) => workspace === cluster || workspace === path)?.cluster;
  }

  authorize({ name }: { readonly name: string }, verb: string, workspace: string) {
    const cluster = this.clusterOf(workspace);
    const granted = this.workspaces.find((other) => other.cluster === cluster)?.granted[verb] ?? [];
    return granted.includes(name)
      ? ({ decision: 'allow', reason: `granted in ${JSON.stringify(cluster)}` } as const)
      : ({ decision: 'no-opinion', reason: 'nothing grants it' } as const);
  }

  *readable({ name }: { readonly name: string }): Generator<ReadableWorkspace | undefined, void, undefined> {
    this.lists += 1;
    for (const workspace of this.workspaces)
      yield workspace.granted['get']?.includes(name) === true ? workspace : undefined;
  }
}
