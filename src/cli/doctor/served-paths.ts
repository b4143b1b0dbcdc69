import { finding, type Finding } from './finding.js';
import { allowedPaths } from '../../request/steps/allow-paths.js';
import { ignoredPaths } from '../../request/steps/ignore-paths.js';
import { alwaysAllowPaths } from '../../paths/always-allow.js';
import { alwaysAllowPathsFlag, pathsAllowedToAll } from '../../options/authorization/authorization-flags.js';
import type { FlagValues } from '../../options/flags.js';
import { pathGlobsOf } from '../../options/serving/served-paths-flags.js';
import { flagNamed } from './given-flags.js';

const path = '/metrics';

/** The flag that lets everybody read `/metrics`, if one does. */
export function openingFlagOf(values: FlagValues): string | undefined {
  if (alwaysAllowPaths(pathsAllowedToAll(values))(path)) return alwaysAllowPathsFlag.name;
  const { ignorePaths } = pathGlobsOf(values);
  if (ignorePaths === undefined || !ignoredPaths(ignorePaths)(path)) return undefined;
  return flagNamed('--ignore-paths').name;
}

/** Whether `/metrics` is served at all. */
export function servedPathFindings(values: FlagValues): readonly Finding[] {
  const { allowPaths } = pathGlobsOf(values);
  if (allowPaths === undefined || allowedPaths(allowPaths)(path)) return [];
  const message = `leaves ${path} out: every scrape of it is answered 404; add it unless that is meant`;
  return [finding('warning', 'scrapers', flagNamed('--allow-paths').name, message)];
}
