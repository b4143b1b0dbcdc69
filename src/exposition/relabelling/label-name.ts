/** Buckets and quantiles without these are no longer what their family says. */
const ofTheType: readonly string[] = ['le', 'quantile'];

/** Why a label cannot be dropped, renamed or mapped. */
export function labelNameFault(name: string): string | undefined {
  const quoted = JSON.stringify(name.slice(0, 64));
  if (!/^[a-zA-Z_][a-zA-Z0-9_]{0,255}$/.test(name)) return `${quoted} is no label name`;
  if (name.startsWith('__')) return `${quoted} is reserved to Prometheus`;
  if (ofTheType.includes(name)) return `${quoted} belongs to histograms and summaries`;
  return undefined;
}
