import { readFileSync } from 'node:fs';
import type { PolicyObject } from '../rbac/objects.js';
import { parseManifest } from './manifest.js';

let objects: readonly PolicyObject[] | undefined;

/** What kcp itself installs in `system:admin`, as `rbac/bootstrap-policy.yaml` of this package has it; read once. */
export function bootstrapPolicy(): readonly PolicyObject[] {
  // src/policy-sources and dist/policy-sources both lie two levels below the package's root.
  objects ??= parseManifest(
    readFileSync(new URL('../../rbac/bootstrap-policy.yaml', import.meta.url), 'utf8'),
    'rbac/bootstrap-policy.yaml',
  ).objects;
  return objects;
}
