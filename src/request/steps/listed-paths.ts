import type Micromatch from 'micromatch';
import { createRequire } from 'node:module';
import type { DecisionObserver, Verdict } from '../../authorization/authorizer.js';
import { alwaysAllowPaths, isHealthPath, type PathMatcher } from '../../paths/always-allow.js';
import { decidedPath, isGuarded } from '../../paths/classify.js';
import { sendNotFound } from '../answer/status.js';
import { listenerOf, requestState, type Guard, type Middleware, type RequestState } from '../middleware.js';
import { AllowPathsError, IgnorePathsError } from '../request-errors.js';
import { refusePath } from './classify-path.js';
import { checkArgument, texts } from '../../option-checks.js';

// The steps that go by a list of paths, and know nothing of the client.

const maxGlobLength = 1024;

/**
 * Answers 404 to every path that no glob matches, before authentication: kube-rbac-proxy's option of the same name. It
 * can only take away: what a client may see of the rest is decided elsewhere, never by a glob. Health is always served.
 * @throws AllowPathsError for a glob that is no absolute path, is too long or expands without end.
 */
export function allowPaths(globs: readonly string[]): Middleware {
  checkArgument('globs', globs, texts);
  const isAllowed = allowedPaths(globs);
  return (request, response, next) => {
    const state = requestState(request);
    const { classification } = state;
    const isKnown = isGuarded(classification) || classification?.kind === 'other';
    if (isKnown && isAllowed(classification.path)) {
      next();
      return;
    }
    state.rejected = 'not among the allowed paths';
    sendNotFound(request, response);
  };
}

/** Which paths `allowPaths` lets through. @throws AllowPathsError */
export function allowedPaths(globs: readonly string[]): PathMatcher {
  for (const glob of globs) {
    if (!glob.startsWith('/') || glob.length > maxGlobLength || /\{[^}]*\.\./.test(glob)) {
      throw new AllowPathsError(`${JSON.stringify(glob)} is no glob of an absolute path`);
    }
  }
  const matches = globMatcher(globs, {});
  return (path) => isHealthPath(path) || matches(path);
}

/**
 * Stands before authentication: a path that everybody may see must not wait for it, and a probe with a stale token is
 * still a probe. It lets pass the later steps of its own guard: of the `guardSteps` whose `classify` stands in front, or
 * of the `chain` it stands in. Below a scope, only health passes; a path that is not canonical is answered as by
 * `classifyPath`.
 * @throws AlwaysAllowPathError for a `*` anywhere but at a pattern's end.
 */
export function alwaysAllow(
  patterns: readonly string[],
  onDecision?: DecisionObserver,
  guard?: Guard,
): Middleware {
  checkArgument('patterns', patterns, texts);
  const matches = alwaysAllowPaths(patterns);
  const pass = letPass('AlwaysAllowPaths', 'always allowed path', onDecision, guard);
  const step: Middleware = (request, response, next) => {
    const state = requestState(request);
    const isOwn = guard === undefined || state.classifiedBy === guard;
    const classification = isOwn ? state.classification : undefined;
    if (classification !== undefined && refusePath(request, response, classification)) return;
    // Nobody writes to a backend unseen.
    const path = classification?.kind === 'gateway' ? undefined : decidedPath(classification);
    if (path !== undefined && matches(path)) {
      pass(state, step);
      guard?.listener?.({ kind: 'authorization', result: 'allow', seconds: 0 });
    }
    next();
  };
  return step;
}

/**
 * Only what Go's `path.Match` and micromatch read alike, since a glob that gives access must not come to mean more than
 * its author read: no braces, parentheses or `**`, and in brackets only letters, digits and ranges of them.
 */
const plainGlob = /^(?:\/|\/(?:[A-Za-z0-9_.~:@%-]|\*(?!\*)|\?|\[\^?(?:[A-Za-z0-9](?:-[A-Za-z0-9])?)+\])+)+$/;

/**
 * Serves shard-level paths that a glob matches to everybody, without authentication: kube-rbac-proxy's option of the same
 * name. Stands where always-allow paths do, and lets pass the same steps. `*` and `?` match no `/`; the path is the one
 * that was classified, so scoped paths and those that are not canonical have been answered before.
 * @throws IgnorePathsError
 */
export function ignorePaths(
  globs: readonly string[],
  onDecision?: DecisionObserver,
  guard?: Guard,
): Middleware {
  checkArgument('globs', globs, texts);
  const isIgnored = ignoredPaths(globs);
  const pass = letPass('IgnorePaths', 'ignored path', onDecision, guard);
  const step: Middleware = (request, _response, next) => {
    const state = requestState(request);
    const { classification, isAllowed } = state;
    if (isAllowed !== true && classification?.kind === 'shard-level' && isIgnored(classification.path))
      pass(state, step);
    next();
  };
  return step;
}

/** The shard-level paths that `ignorePaths` serves without authentication. @throws IgnorePathsError */
export function ignoredPaths(globs: readonly string[]): PathMatcher {
  for (const glob of globs) {
    if (glob.length > maxGlobLength || !plainGlob.test(glob)) {
      throw new IgnorePathsError(
        `${JSON.stringify(glob)} is no absolute path with nothing but *, ? and [] of letters and digits`,
      );
    }
  }
  return globMatcher(globs, { nobrace: true, noglobstar: true });
}

/** Loads micromatch with the first glob, since most servers have none. */
function globMatcher(globs: readonly string[], options: Micromatch.Options): PathMatcher {
  if (globs.length === 0) return () => false;
  const micromatch = createRequire(import.meta.url)('micromatch') as typeof Micromatch;
  const all = { dot: true, noextglob: true, nonegate: true, ...options };
  const matchers = globs.map((glob) => micromatch.matcher(glob, all));
  return (path) => matchers.some((matches) => matches(path));
}

/**
 * Notes that later steps let the request pass: those of the guard, by default of the one whose `classify` stands in front
 * in the same chain; or else, of steps that stand alone, those in the same chain.
 */
function letPass(
  authorizer: string,
  reason: string,
  onDecision: DecisionObserver | undefined,
  own: Guard | undefined,
): (state: RequestState, step: Middleware) => void {
  const verdict: Verdict = { decision: 'allow', reason, authorizer };
  const listener =
    own?.listener ??
    listenerOf(authorizer, { decision: ({ decision }) => onDecision?.(authorizer, decision) });
  return (state, step) => {
    const guard = own ?? (state.classifiedIn === state.chain ? state.classifiedBy : undefined);
    state.passedBy = guard;
    state.passedIn = guard === undefined && state.step === step ? state.chain : undefined;
    state.verdict = verdict;
    state.isAllowed = true;
    state.allowedBy = guard;
    listener({ kind: 'decision', authorizer, decision: 'allow' });
  };
}
