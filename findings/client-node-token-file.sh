#!/usr/bin/env bash
# @kubernetes/client-node 1.4.0 reads a user's token from the kubeconfig field "token-file", which client-go does not
# know; the field that Kubernetes documents is "tokenFile" (k8s.io/client-go/tools/clientcmd/api/v1, AuthInfo). A
# kubeconfig that kubectl uses is loaded without an error, and its requests carry no Authorization header.
#
# Seen:
#   tokenFile: undefined
#   token-file: Bearer from-a-file
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private":true,"type":"module"}\n' >package.json
npm install --no-audit --no-fund --silent @kubernetes/client-node@1.4.0
printf 'from-a-file' >token
cat >load.mjs <<'EOF'
import { KubeConfig } from '@kubernetes/client-node';

for (const field of ['tokenFile', 'token-file']) {
  const config = new KubeConfig();
  config.loadFromString(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443' } }],
      users: [{ name: 'u', user: { [field]: `${process.cwd()}/token` } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  const request = { headers: {} };
  await config.applyToHTTPSOptions(request);
  console.log(`${field}: ${request.headers.Authorization}`);
}
EOF
node load.mjs >seen
cat seen
diff seen - <<'EOF'
tokenFile: undefined
token-file: Bearer from-a-file
EOF
echo 'still so'
