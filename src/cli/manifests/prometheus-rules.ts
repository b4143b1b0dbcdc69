import { alertingRules } from './alerting-rules.js';
import { metadataOf, type Manifest, type ManifestFile } from './manifest.js';
import type { ManifestNames } from './manifest-flags.js';
import { recordingRules } from './recording-rules.js';

/** For the Prometheus operator; the spec alone is a file of rules for any Prometheus. */
export function prometheusRules(names: ManifestNames): ManifestFile {
  return {
    comment: ['The spec alone is a file of rules: rule_files of prometheus.yml names it.'],
    documents: [
      {
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'PrometheusRule',
        metadata: metadataOf(names),
        spec: { groups: ruleGroups(names) },
      },
    ],
  };
}

function ruleGroups({ name }: ManifestNames): readonly Manifest[] {
  // The job of each path begins with the name: see scrape-job.ts.
  const jobs = `job=~"${name}(-.+)?"`;
  return [
    { name: `${name}.recording`, rules: recordingRules(jobs) },
    { name: `${name}.alerting`, rules: alertingRules(jobs) },
  ];
}
