import { general, serverKindOf } from './general-options.js';
import { fault, isGiven, optionsIn, othersNeed, topic, type GivenOptions } from './option.js';
import { workspaceSources } from './policy-options.js';
import { labelName } from './relabelling-options.js';
import { tellsWhoScrapes } from './upstream-request-options.js';
import { boolean, duration, parsed, text } from './option-kinds.js';

export const workspaces = topic(
  'Metrics of one workspace',
  {
    workspaceMetrics: boolean(false).help(
      'serve /clusters/<workspace>/metrics to users to whom that workspace grants them; a shard only',
    ),
    workspaceLabel: parsed(text('label', 'cluster'), labelName).help(
      'label that holds the logical cluster a series belongs to',
    ),
    workspaceMetricsMaxAge: duration('10s', { min: '1ms', max: '1h' }).help(
      'how old the exposition may be from which the metrics of single workspaces are served',
    ),
  },
  [othersNeed('workspaceMetrics')],
);

/** How metrics of one workspace are served; undefined where they are not. @throws UsageError naming the option. */
export function workspaceMetricsOf(given: GivenOptions) {
  const values = workspaces.read(given);
  workspaceSources.read(given);
  const option = workspaces.options.workspaceMetrics;
  const sources = optionsIn([workspaceSources]);
  const source = sources.find((one) => isGiven(given, one));
  if (!values.workspaceMetrics) {
    if (source !== undefined) throw fault(source, `needs ${option.name}`);
    return undefined;
  }
  if (serverKindOf(given) === 'cache-server') {
    const advice = `leave it out, or use ${general.options.mode.name}=shard`;
    throw fault(option, `a cache server has no workspaces: ${advice}`);
  }
  if (source === undefined) throw fault(option, `needs ${sources.map(({ name }) => name).join(' or ')}`);
  if (tellsWhoScrapes(given)) {
    throw fault(option, 'shares one rendering among all users, so upstreams cannot be told who scrapes');
  }
  return { label: values.workspaceLabel, maxAgeMs: values.workspaceMetricsMaxAge };
}
