import { parseBoolean } from '../flag-values.js';
import { booleanOf, type Flag, type FlagValues } from '../flags.js';

const componentSlis: Flag = {
  name: '--component-slis',
  default: 'false',
  description:
    'whether /metrics/slis serves the results of the health checks, to whoever may read that path; kubernetes_healthcheck and kubernetes_healthchecks_total',
};

export const slisFlags: readonly Flag[] = [componentSlis];

/** @throws UsageError naming the flag. */
export function servesSlis(values: FlagValues): boolean {
  return parseBoolean(componentSlis.name, booleanOf(values, componentSlis));
}
