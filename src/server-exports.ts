// The parts of a standalone server, in addition to the exports of `.`.

// The ready server
export { startServer, type RunningServer } from './server/start-server.js';
export type { Logger, ServedZPagesOptions, ServerOptions } from './server/server-options.js';
export type { TlsOptions } from './server/tls.js';
export type { KeyPair, CurrentKeyPair, NamedKeyPair } from './server/serving-certificates.js';
export type { ConnectionLimits } from './server/connection-limits.js';
export type { RequestLimits } from './request/steps/limit-requests.js';

// Status pages
export { zPages, type ZPagesOptions } from './server/z-pages/z-pages-step.js';
export type {
  ServerStatus,
  PolicySourceStatus,
  FlagInForce,
  UpstreamAddress,
} from './server/z-pages/server-status.js';
export { RefusalTally, type CountedRefusal } from './server/z-pages/refusal-tally.js';
export type { RefusedRequest } from './audit/refusal-reason.js';

// Files that are followed, and the audit log
export {
  FollowedFiles,
  type FollowedFilesOptions,
  type FileContent,
  type ReloadResult,
} from './files/followed-files.js';
export { OptionalFile, type OptionalFileOptions, type OptionalValue } from './files/optional-file.js';
export { AuditLog, type AuditLogOptions, type AuditLogObserver } from './audit/audit-log.js';
export { auditLine } from './audit/audit-line.js';

// Policy
export { bootstrapPolicy } from './policy/sources/bootstrap.js';
export { systemAdminPolicySource, type ApiServerObserver } from './policy/sources/api-server.js';
export type { ReflectorFault } from './kubernetes/kubernetes-errors.js';
export type { RequestObservation, RequestObservation as ObservedRequest } from './kubernetes/api-client.js';
export type { PolicyObject } from './policy/objects.js';
export type { PolicyChange } from './policy/index/policy-index.js';
export type { PolicyState, PolicyLayerStatus } from './policy/policy.js';
export type { SnapshotResult } from './policy/snapshot/policy-snapshot.js';

// Own metrics
export type { CertificateStatus } from './telemetry/server-metrics.js';
export { registerPolicyMetrics, PolicySourceMetrics } from './telemetry/policy-metrics.js';
export {
  RestClientMetrics,
  ReviewMetrics,
  UpstreamMetrics,
  type ReviewPurpose,
} from './telemetry/outgoing-metrics.js';
