import { Prometheus } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/Prometheus';
import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor';
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { ScrapeConfig } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1alpha1/ScrapeConfig';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { EndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1/EndpointSlice';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { ClusterRole } from 'kubernetes-models/rbac.authorization.k8s.io/v1/ClusterRole';
import { ClusterRoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1/ClusterRoleBinding';
import { Role } from 'kubernetes-models/rbac.authorization.k8s.io/v1/Role';
import { RoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding';
import { Service } from 'kubernetes-models/v1/Service';
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
import { join } from 'node:path';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';
import { repository } from './commands.js';

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

interface Schema {
  /** Where its type is. */
  readonly module: string;
  readonly make: (data: never) => { readonly validate: () => void };
}

type Model = new (data: never) => { readonly validate: () => void };
const of = (module: string, Type: Model): Schema => ({ module, make: (data) => new Type(data) });

const operator = '@kubernetes-models/prometheus-operator/monitoring.coreos.com';
const rbac = 'kubernetes-models/rbac.authorization.k8s.io/v1';

/** As they are published for Kubernetes and for the Prometheus operator, by `apiVersion kind`. */
const schemas = new Map<string, Schema>([
  ['v1 Service', of('kubernetes-models/v1', Service)],
  ['v1 ServiceAccount', of('kubernetes-models/v1', ServiceAccount)],
  ['apps/v1 Deployment', of('kubernetes-models/apps/v1', Deployment)],
  ['networking.k8s.io/v1 NetworkPolicy', of('kubernetes-models/networking.k8s.io/v1', NetworkPolicy)],
  ['discovery.k8s.io/v1 EndpointSlice', of('kubernetes-models/discovery.k8s.io/v1', EndpointSlice)],
  ['rbac.authorization.k8s.io/v1 ClusterRole', of(rbac, ClusterRole)],
  ['rbac.authorization.k8s.io/v1 ClusterRoleBinding', of(rbac, ClusterRoleBinding)],
  ['rbac.authorization.k8s.io/v1 Role', of(rbac, Role)],
  ['rbac.authorization.k8s.io/v1 RoleBinding', of(rbac, RoleBinding)],
  ['monitoring.coreos.com/v1 ServiceMonitor', of(`${operator}/v1`, ServiceMonitor)],
  ['monitoring.coreos.com/v1 PodMonitor', of(`${operator}/v1`, PodMonitor)],
  ['monitoring.coreos.com/v1 PrometheusRule', of(`${operator}/v1`, PrometheusRule)],
  ['monitoring.coreos.com/v1 Prometheus', of(`${operator}/v1`, Prometheus)],
  ['monitoring.coreos.com/v1alpha1 ScrapeConfig', of(`${operator}/v1alpha1`, ScrapeConfig)],
]);

/** @throws YAMLParseError */
export function objectsIn(text: string): readonly KubernetesObject[] {
  return parseAllDocuments(text).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS() as KubernetesObject;
  });
}

/**
 * What an API server would have against the objects, each with its kind and name. Fields of a wrong type or value are
 * found by the schema; a field that does not exist, which a schema alone lets pass, by the type that is made of it.
 */
export function faultsOf(objects: readonly KubernetesObject[]): readonly string[] {
  return [...objects.flatMap(schemaFaults), ...unknownFields(objects)];
}

function nameOf({ apiVersion, kind }: KubernetesObject): string {
  return `${apiVersion} ${kind}`;
}

function schemaFaults(object: KubernetesObject): readonly string[] {
  const where = `${object.kind} ${object.metadata.name}`;
  const schema = schemas.get(nameOf(object));
  if (schema === undefined) return [`${where}: no schema of ${nameOf(object)}`];
  try {
    schema.make(object as never).validate();
    return [];
  } catch (error) {
    return [`${where}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** A literal of a type may have no other fields: the compiler says which it has. */
function unknownFields(objects: readonly KubernetesObject[]): readonly string[] {
  const known = objects.flatMap((object) => {
    const schema = schemas.get(nameOf(object));
    return schema === undefined ? [] : [{ object, module: schema.module }];
  });
  const lines = known.map(
    ({ object, module }, at) =>
      `export const o${at}: import('${module}/${object.kind}').I${object.kind} = ${JSON.stringify(object)};`,
  );
  const file = join(repository, 'test/examples/objects-to-check.ts');
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: [],
  };
  const disk = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (name) => name === file || disk.fileExists(name),
    readFile: (name) => (name === file ? lines.join('\n') : disk.readFile(name)),
    getSourceFile: (name, ...rest) =>
      name === file
        ? ts.createSourceFile(name, lines.join('\n'), ts.ScriptTarget.ES2023)
        : disk.getSourceFile(name, ...rest),
  };
  const program = ts.createProgram([file], options, host);
  return [...program.getSyntacticDiagnostics(), ...program.getSemanticDiagnostics()].map(
    ({ messageText, file: source, start }) => {
      const line = source === undefined ? 0 : source.getLineAndCharacterOfPosition(start ?? 0).line;
      const object = known[line]?.object;
      const text = ts.flattenDiagnosticMessageText(messageText, ' ');
      return `${object?.kind ?? ''} ${object?.metadata.name ?? ''}: ${text}`;
    },
  );
}
