import type { ConfiguredServer } from './configured-server.js';
import type { Manifest, ManifestFile } from './manifest.js';
import type { ManifestNames } from './manifest-flags.js';
import { addressOf, suffixesOf } from './monitors.js';

/** For a prometheus.yml: a job for each path. */
export function scrapeJob(server: ConfiguredServer, names: ManifestNames): ManifestFile {
  const jobs = suffixesOf(server.paths).map(({ path, suffix }): Manifest => ({
    job_name: `${names.name}${suffix}`,
    scheme: 'https',
    metrics_path: path,
    ...credentialsOf(server, names),
    static_configs: [{ targets: [addressOf(server, names)] }],
  }));
  return {
    comment: [
      'For prometheus.yml. File names are relative to it: ca.crt is the authority of the serving certificate.',
    ],
    documents: [{ scrape_configs: jobs }],
  };
}

function credentialsOf({ credentials }: ConfiguredServer, { name, serverName }: ManifestNames): Manifest {
  const authority = { ca_file: 'ca.crt', server_name: serverName };
  if (credentials.kind === 'certificate') {
    return { tls_config: { ...authority, cert_file: `${name}.crt`, key_file: `${name}.key` } };
  }
  return { tls_config: authority, authorization: { credentials_file: `${name}.token` } };
}
