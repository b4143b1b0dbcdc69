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

/** The server is read only for what depends on how it is scraped, which rules do not. */
type Maker = (names: ManifestNames, serverOf: () => ConfiguredServer) => ManifestFile;

const makers = {
  clusterrolebinding: (names, serverOf) => clusterRoleBinding(serverOf(), names),
  service: (names, serverOf) => service(serverOf(), names),
  servicemonitor: (names, serverOf) => monitor('ServiceMonitor', serverOf(), names),
  podmonitor: (names, serverOf) => monitor('PodMonitor', serverOf(), names),
  scrapeconfig: (names, serverOf) => scrapeConfig(serverOf(), names),
  'scrape-job': (names, serverOf) => scrapeJob(serverOf(), names),
  'prometheus-rules': prometheusRules,
  'rule-file': ruleFile,
} as const satisfies Readonly<Record<string, Maker>>;
type ManifestKind = keyof typeof makers;

export const manifestKinds = Object.keys(makers) as readonly ManifestKind[];

/** Reads no files, so that it works on any machine. */
export const manifestsCommand: Command = {
  args: [{ name: 'kind', description: manifestKinds.join(', '), choices: manifestKinds }],
  topics: [manifestTopic, ...startTopics],
  run: ({ args: [kind = ''], values, terminal }) => {
    const names = manifestNamesOf(values);
    const make: Maker = makers[chosenArgument('manifests', kind, manifestKinds)];
    terminal.print(renderManifests(make(names, () => configuredServerOf(values, names))));
    const warning = scraperWarning(names.scraper);
    if (warning !== undefined) terminal.printError(warning);
    return Promise.resolve(0);
  },
};
