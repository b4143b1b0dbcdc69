import { codedError, type CodedError } from '../coded-error.js';
import { ApiConnectionError } from '../outgoing/outgoing-errors.js';
import { quotedName } from './text-format/metric-name.js';

/** @throws Fault with the first message whose condition does not hold. */
export function requireOptions(
  Fault: new (message: string) => CodedError,
  conditions: Readonly<Record<string, boolean>>,
): void {
  for (const [message, holds] of Object.entries(conditions)) if (!holds) throw new Fault(message);
}

/** A wrong option of `registriesExposition`; the message begins with its name. */
export class RegistriesError extends codedError('RegistriesError', 'ERR_REGISTRIES') {}

/** A wrong option of `workersExposition` or `reportMetrics`; the message says what to pass instead. */
export class WorkersError extends codedError('WorkersError', 'ERR_WORKERS') {}

/** A wrong option of `mergedExposition`; the message begins with its name. */
export class MergingOptionError extends codedError('MergingOptionError', 'ERR_MERGING_OPTION') {}

/** A wrong option of sharing renderings or of their limit; the message begins with its name. */
export class SharingOptionError extends codedError('SharingOptionError', 'ERR_SHARING_OPTION') {}

/** A wrong option of `filteredExposition`; the message begins with its name. */
export class RelabellingOptionError extends codedError('RelabellingOptionError', 'ERR_RELABELLING_OPTION') {}

/** A wrong option of `workspaceExpositions`; the message begins with its name. */
export class WorkspacesOptionError extends codedError('WorkspacesOptionError', 'ERR_WORKSPACES_OPTION') {}

/** An invalid mapping file; the message begins with `file:line: `. */
export class LabelMappingError extends codedError('LabelMappingError', 'ERR_LABEL_MAPPING') {}

/** An invalid upstream URL. The message does not quote it: it may contain a password. */
export class UpstreamUrlError extends codedError('UpstreamUrlError', 'ERR_UPSTREAM_URL') {}

/** Invalid identity headers; the message begins with the option at fault. */
export class IdentityHeadersError extends codedError('IdentityHeadersError', 'ERR_IDENTITY_HEADERS') {
  constructor(
    readonly option: 'userField' | 'groupsField' | 'groupsSeparator',
    readonly fault: string,
  ) {
    super(`${option}: ${fault}`);
  }
}

/** Invalid tenant headers; the message names the field and the reason. */
export class TenantHeadersError extends codedError('TenantHeadersError', 'ERR_TENANT_HEADERS') {}

/** `unasked`: the scraper was not authenticated; `malformed`: the tenant is not one plain word. */
export type TenantFault = 'unasked' | 'none' | 'several' | 'malformed';

/** The scraper has no tenant, or more than one; answered with 403. */
export class NoTenantError extends codedError('NoTenantError', 'ERR_NO_TENANT') {
  constructor(
    readonly fault: TenantFault,
    /** For the operator; names neither the scraper nor their groups. */
    readonly detail: string,
  ) {
    super('no tenant');
  }
}

/**
 * The upstream's answer cannot be served. The message is one line for the operator and begins with the upstream's URL
 * without its query; the scraper learns only the status.
 */
export class UpstreamError extends codedError('UpstreamError', 'ERR_UPSTREAM') {
  constructor(
    message: string,
    /** The scraper's status: 504 if the upstream took too long, else 502. */
    readonly status: 502 | 504 = 502,
  ) {
    super(message);
  }
}

/** The scraper's error for an upstream's missing or broken answer; any other error unchanged. */
export function asUpstreamError(error: unknown): unknown {
  if (!(error instanceof ApiConnectionError)) return error;
  return new UpstreamError(error.message, error.causeCode === 'ETIMEDOUT' ? 504 : 502);
}

/** Two metrics contradict each other, and neither may be left out. */
export class MetricConflictError extends codedError('MetricConflictError', 'ERR_METRIC_CONFLICT') {
  constructor(
    /** The metric's name, which scrapers may see. */
    readonly metric: string,
    readonly conflict: 'duplicate-name' | 'duplicate-series',
    /** The earlier metric, if it has another name. */
    readonly other = metric,
  ) {
    super(
      conflict === 'duplicate-series'
        ? `metric ${metric} has a series twice, with the same labels`
        : other === metric
          ? `metric ${metric} is registered twice, with another help or type`
          : `metrics ${other} and ${metric} have a name in common, of their own or of their samples`,
    );
  }
}

/** A malformed exposition, which is not served; the message names line and metric, and quotes no value. */
export class TextFormatError extends codedError('TextFormatError', 'ERR_TEXT_FORMAT') {
  constructor(
    /** Counted from 1. */
    readonly line: number,
    fault: string,
    metric?: string,
  ) {
    super(`line ${line}: ${fault}${metric === undefined ? '' : ` (${quotedName(metric)})`}`);
  }
}

/** A scrape with too many series, which is not served in part either. */
export class SeriesLimitError extends codedError('SeriesLimitError', 'ERR_SERIES_LIMIT') {}

/** The limit of renderings in flight is reached. The scraper is answered 503 and may retry. */
export class TooManyScrapesError extends codedError('TooManyScrapesError', 'ERR_TOO_MANY_SCRAPES') {
  /** When to retry (s). */
  readonly retryAfterSeconds = 1;

  constructor(readonly max: number) {
    super(`limit of concurrent scrapes reached (${max}), try again later`);
  }
}

/** What says whose series are whose is not known yet, or not known well enough. The scraper is answered 503. */
export class NotSyncedError extends codedError('NotSyncedError', 'ERR_NOT_SYNCED') {
  /** When to retry (s). */
  readonly retryAfterSeconds = 1;
}

/** A scraper delayed others that share its rendering and is disconnected. */
export class LaggingScraperError extends codedError('LaggingScraperError', 'ERR_LAGGING_SCRAPER') {
  constructor() {
    super('read too slowly for others that share the rendering');
  }
}
