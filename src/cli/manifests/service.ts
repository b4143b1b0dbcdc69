import type { ConfiguredServer } from './configured-server.js';
import { labelsOf, metadataOf, type ManifestFile } from './manifest.js';
import type { ManifestNames } from './manifest-flags.js';

/** Of ports in manifests that name it. */
export const portName = 'metrics';

/** The Service in front of the pods that run the server. */
export function service({ port }: ConfiguredServer, names: ManifestNames): ManifestFile {
  return {
    comment: [`The port of the container is called ${portName}.`],
    documents: [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: metadataOf(names),
        spec: {
          selector: labelsOf(names.name),
          ports: [{ name: portName, port, targetPort: portName }],
        },
      },
    ],
  };
}
