import { allowPaths } from '../../request/steps/allow-paths.js';
import { ignorePaths } from '../../request/steps/ignore-paths.js';
import type { Middleware } from '../../request/middleware.js';
import { listOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError, usageError } from '../usage-error.js';

const allowPathsFlag: Flag = {
  name: '--allow-paths',
  value: 'globs',
  isList: true,
  description:
    'globs of the paths that are served at all, such as /metrics; others are 404; health always is',
};
const ignorePathsFlag: Flag = {
  name: '--ignore-paths',
  value: 'globs',
  isList: true,
  description:
    'globs of metrics paths that are served to everybody, such as /metrics/slis; * matches no slash; not beside --allow-paths',
};

/** What is served before anyone is asked who he is. */
export const servedPathsFlags: readonly Flag[] = [allowPathsFlag, ignorePathsFlag];

export interface PathGlobs {
  readonly allowPaths?: readonly string[];
  readonly ignorePaths?: readonly string[];
}

/** @throws UsageError naming the flag. */
export function pathGlobsOf(values: FlagValues): PathGlobs {
  const allowed = globsOf(values, allowPathsFlag, allowPaths);
  const ignored = globsOf(values, ignorePathsFlag, ignorePaths);
  if (allowed !== undefined && ignored !== undefined) {
    throw new UsageError(`${ignorePathsFlag.name}: cannot be used beside ${allowPathsFlag.name}`);
  }
  return {
    ...(allowed === undefined ? {} : { allowPaths: allowed }),
    ...(ignored === undefined ? {} : { ignorePaths: ignored }),
  };
}

/** Undefined where none is given: it is made once, to see whether it can be. */
function globsOf(
  values: FlagValues,
  flag: Flag,
  make: (globs: readonly string[]) => Middleware,
): readonly string[] | undefined {
  const globs = listOf(values, flag);
  if (globs.length === 0) return undefined;
  try {
    make(globs);
    return globs;
  } catch (error) {
    throw usageError(flag.name, error);
  }
}
