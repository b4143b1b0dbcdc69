import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { Item } from './api-objects.js';

/** ClusterRoleBindings and ClusterRoles as kcp lists and watches them: the root workspace's, and the cache server's. */
export const recordedServers = ['root', 'cache'] as const;
export type RecordedServer = (typeof recordedServers)[number];

export function recorded(file: string): string {
  const bytes = readFileSync(new URL(`data/${file}`, import.meta.url));
  return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
}

export interface RecordedList {
  readonly kind: string;
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly { readonly metadata: { readonly name: string } }[];
}

export function recordedList(file: string): RecordedList {
  return JSON.parse(recorded(file)) as RecordedList;
}

/** A recorded ClusterRoleBinding, by the role it binds. */
export function decodeBinding(object: unknown): Item {
  const { metadata, roleRef } = object as { metadata: { name: string }; roleRef: { name: string } };
  return { name: metadata.name, value: roleRef.name };
}
