/** A wrong option for the exposition of registries; the message says what to pass instead. */
export class RegistriesError extends Error {
  override readonly name = 'RegistriesError';
  readonly code = 'ERR_REGISTRIES';
}

/** Two metrics contradict each other, and nothing may be left out. */
export class MetricConflictError extends Error {
  override readonly name = 'MetricConflictError';
  readonly code = 'ERR_METRIC_CONFLICT';

  constructor(
    /** The metric's name, which is the application's own and may be told to scrapers. */
    readonly metric: string,
    readonly conflict: 'duplicate-name' | 'duplicate-series',
    /** The metric that came before it, where that has another name. */
    readonly other = metric,
  ) {
    super(messageOf(metric, conflict, other));
  }
}

function messageOf(metric: string, conflict: MetricConflictError['conflict'], other: string): string {
  if (conflict === 'duplicate-series') return `metric ${metric} has a series twice, with the same labels`;
  if (other === metric) return `metric ${metric} is registered twice, with another help or type`;
  return `metrics ${other} and ${metric} have a name in common, of their own or of their samples`;
}
