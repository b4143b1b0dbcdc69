/** A wrong option for the exposition of registries; the message says what to pass instead. */
export class RegistriesError extends Error {
  override readonly name = 'RegistriesError';
  readonly code = 'ERR_REGISTRIES';
}

/** Two registries contradict each other about a metric, and nothing may be left out. */
export class MetricConflictError extends Error {
  override readonly name = 'MetricConflictError';
  readonly code = 'ERR_METRIC_CONFLICT';

  constructor(
    /** The metric's name, which is the application's own and may be told to scrapers. */
    readonly metric: string,
    readonly conflict: 'duplicate-name' | 'duplicate-series',
  ) {
    super(
      conflict === 'duplicate-name'
        ? `metric ${metric} is registered twice, with another help or type`
        : `metric ${metric} has a series twice, with the same labels`,
    );
  }
}
