import type { GivenOptions } from '../../options/option.js';
import { startTopics } from '../../options/start-topics.js';
import { chosenArgument, type Command } from '../command.js';
import {
  configuredServerOf,
  type ConfiguredServer,
  manifestTopic,
  manifestNamesOf,
  scraperWarning,
  type ManifestNames,
} from './configured-server.js';
import { renderManifests, type ManifestFile } from './printed-manifest.js';
import { monitor, scrapeConfig, service, scrapeJob, clusterRoleBinding } from './monitors.js';
import { prometheusRules, ruleFile } from './prometheus-rules.js';

export const manifestKinds = [
  'clusterrolebinding',
  'service',
  'servicemonitor',
  'podmonitor',
  'scrapeconfig',
  'scrape-job',
  'prometheus-rules',
  'rule-file',
] as const;
type ManifestKind = (typeof manifestKinds)[number];

type Maker = (server: ConfiguredServer, names: ManifestNames) => ManifestFile;

const makers: Readonly<Record<Exclude<ManifestKind, 'prometheus-rules' | 'rule-file'>, Maker>> = {
  clusterrolebinding: clusterRoleBinding,
  service,
  servicemonitor: (server, names) => monitor('ServiceMonitor', server, names),
  podmonitor: (server, names) => monitor('PodMonitor', server, names),
  scrapeconfig: scrapeConfig,
  'scrape-job': scrapeJob,
};

export const manifestsCommand: Command = {
  args: [{ name: 'kind', description: manifestKinds.join(', '), choices: manifestKinds }],
  topics: [manifestTopic, ...startTopics],
  run: ({ args: [kind = ''], values, terminal }) => {
    const names = manifestNamesOf(values);
    terminal.print(manifestOf(chosenArgument('manifests', kind, manifestKinds), values, names));
    const warning = scraperWarning(names.scraper);
    if (warning !== undefined) terminal.printError(warning);
    return Promise.resolve(0);
  },
};

/** Reads no files, so that it works on any machine. @throws UsageError naming the flag. */
function manifestOf(kind: ManifestKind, values: GivenOptions, names: ManifestNames): string {
  // Rules do not depend on how the server is scraped.
  if (kind === 'prometheus-rules') return renderManifests(prometheusRules(names));
  if (kind === 'rule-file') return renderManifests(ruleFile(names));
  return renderManifests(makers[kind](configuredServerOf(values, names), names));
}
