import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Counter, Gauge, Registry } from 'prom-client';
import { parseAllDocuments } from 'yaml';
import { listen, type Listening } from '../support/listening.js';
import { repository } from './commands.js';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface Deployment extends Manifest {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly serviceAccountName: string;
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string }[];
      };
    };
  };
}

export const manifestFiles = ['deployment.yaml', 'rbac.yaml', 'servicemonitor.yaml'] as const;

export function readExample(file: string): string {
  return readFileSync(join(repository, 'examples/kubernetes-sidecar', file), 'utf8');
}

/** @throws YAMLParseError */
export function manifestsIn(file: string): readonly Manifest[] {
  return parseAllDocuments(readExample(file)).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS() as Manifest;
  });
}

/** The one manifest of a kind in a file. */
export function manifest(file: string, kind: string): Manifest {
  const [found, ...others] = manifestsIn(file).filter((candidate) => candidate.kind === kind);
  if (found === undefined || others.length > 0) throw new Error(`${file}: not one ${kind}`);
  return found;
}

export function deployment(): Deployment {
  return manifest('deployment.yaml', 'Deployment') as Deployment;
}

/** The filter beside the application. */
export function sidecar(): Container {
  const { containers } = deployment().spec.template.spec;
  const found = containers.find(({ name }) => name === 'kcp-metrics-filter');
  if (found === undefined) throw new Error('deployment.yaml: no container kcp-metrics-filter');
  return found;
}

/** An application as many are: prom-client behind a plain http server. */
export async function startShop(): Promise<Listening & { readonly exposition: () => Promise<string> }> {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: 'shop_orders_total', help: 'Orders.\n"All".', labelNames: ['product'], registers }).inc(
    { product: 'tëa\n"green"' },
    3,
  );
  new Gauge({ name: 'shop_open', help: 'Whether it is open.', registers }).set(1);
  const server = createServer((request, response) => {
    void registry.metrics().then((text) => {
      response.writeHead(request.url === '/metrics' ? 200 : 404, { 'Content-Type': registry.contentType });
      response.end(text);
    });
  });
  return { ...(await listen(server)), exposition: () => registry.metrics() };
}
