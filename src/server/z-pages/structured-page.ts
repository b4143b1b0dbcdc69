import { shownValue } from './redacted-value.js';
import type { FlagInForce, ServerStatus } from './server-status.js';
import { dateText } from './times.js';

const group = 'config.k8s.io';
const version = 'v1beta1';

/** As an Accept header's parameters ask for it: kind, group and version. */
export type StructuredKind = Readonly<Record<'as' | 'g' | 'v', string>>;

/** The kinds of Kubernetes' structured z-pages. */
export const structuredKinds = {
  '/statusz': { as: 'Statusz', g: group, v: version },
  '/flagz': { as: 'Flagz', g: group, v: version },
} as const;

/** Kubernetes' Statusz, with the fields that a server without Go can fill. `now` in ms since the epoch. */
export function statuszObject(
  component: string,
  { startedAt, version: binaryVersion }: ServerStatus,
  paths: readonly string[],
  now: number,
) {
  const folders = paths.map((path) => `/${path.split('/')[1] ?? ''}`).filter((folder) => folder !== '/');
  return {
    kind: 'Statusz',
    apiVersion: `${group}/${version}`,
    metadata: { name: component },
    startTime: Number.isFinite(startedAt) ? dateText(startedAt) : null,
    uptimeSeconds: Math.max(0, Math.floor((now - startedAt) / 1000)) || 0,
    binaryVersion,
    paths: [...new Set(folders)].sort(),
  };
}

/** Kubernetes' Flagz. What may be a secret is `CLASSIFIED`. */
export function flagzObject(component: string, flags: readonly FlagInForce[]) {
  const sorted = [...flags].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    kind: 'Flagz',
    apiVersion: `${group}/${version}`,
    metadata: { name: component },
    flags: Object.fromEntries(sorted.map(({ name, value }) => [name, shownValue(name, value)])),
  };
}
