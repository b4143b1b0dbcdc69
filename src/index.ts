// The filter
export { metricsFilter, guardSteps, type GuardSteps, type MetricsFilterOptions } from './request/guard.js';

// Its steps, each a middleware of its own
export type { AuditedFailure, AuditEvent, AuditSink } from './audit/audit-event.js';
export { auditLine } from './audit/audit-line.js';
export { AuditLog, type AuditLogObserver, type AuditLogOptions } from './audit/audit-log.js';
export { AuditLogError } from './audit/audit-errors.js';
export { audit } from './request/steps/audit.js';
export { authenticate, type AuthenticateOptions } from './request/steps/authenticate.js';
export { authorize, type AuthorizeOptions } from './request/steps/authorize.js';
export { classifyPath, type ClassifyPathOptions } from './request/steps/classify-path.js';
export { allowPaths, alwaysAllow, ignorePaths } from './request/steps/listed-paths.js';
export {
  AllowPathsError,
  IgnorePathsError,
  MetricsFilterOptionError,
  RequestLimitError,
} from './request/request-errors.js';
export { limitRequests, type LimitedBy, type LimitRequestsOptions } from './request/steps/limit-requests.js';
export type { RequestBucketsOptions } from './request/limits/request-buckets.js';
export {
  refuseInMaintenance,
  type Maintenance,
  type RefuseInMaintenanceOptions,
} from './request/steps/refuse-in-maintenance.js';
export type { Middleware, Next, Request } from './request/middleware.js';
export { chain, requestState, type Guard, type RequestState } from './request/middleware.js';
export { serveExposition, type ServeExpositionOptions } from './request/steps/serve-exposition.js';
export { zPages, ZPagesOptionError, type ZPagesOptions } from './server/z-pages/z-pages-step.js';
export type {
  CertificateStatus,
  FlagInForce,
  PolicySourceStatus,
  ServerStatus,
  UpstreamAddress,
} from './server/z-pages/server-status.js';
export { RefusalTally, type CountedRefusal } from './server/z-pages/refusal-tally.js';
export type { RefusedRequest } from './server/z-pages/refusal-tally.js';

// Paths
export {
  createPathClassifier,
  type PathClassification,
  type PathClassifier,
  type PathClassifierOptions,
  type ServerKind,
} from './paths/classify.js';
export type { Scope } from './paths/classify.js';
export { AlwaysAllowPathError } from './paths/always-allow.js';

// Authentication
export type {
  Authentication,
  Authenticator,
  Credentials,
  PeerCertificates,
} from './authentication/authenticator.js';
export {
  CertificateBundleError,
  KeySetError,
  OidcOptionError,
  PublicKeyFileError,
  TokenFileError,
} from './authentication/authentication-errors.js';
export type { Identity } from './authentication/identity.js';
export type { Refusal } from './authentication/union.js';
export {
  createCertificateVerifier,
  type CertificateVerification,
  type CertificateVerifier,
  type CertificateVerifierOptions,
} from './authentication/certificates/certificate-verifier.js';
export {
  clientCertificateAuthenticator,
  type ClientCertificateOptions,
} from './authentication/certificates/client-certificate.js';
export { requestHeaderAuthenticator, type RequestHeaderOptions } from './authentication/front-proxy.js';
export { tokenFileAuthenticator, type TokenFileOptions } from './authentication/tokens/token-file.js';
export type { KeySet, VerificationKey } from './authentication/tokens/jwt/key-set.js';
export { parsePublicKeys } from './authentication/tokens/jwt/verification-keys.js';
export { staticKeySet } from './authentication/tokens/jwt/key-set.js';
export { RemoteKeySet, type RemoteKeySetOptions } from './authentication/tokens/jwt/remote-key-set.js';
export {
  serviceAccountAuthenticator,
  type ServiceAccountOptions,
} from './authentication/tokens/service-account.js';
export { oidcAuthenticator, type OidcAuthenticator } from './authentication/tokens/oidc/oidc.js';
export type { OidcOptions } from './authentication/tokens/oidc/oidc-options.js';
export { tokenReviewAuthenticator, type TokenReviewOptions } from './authentication/tokens/token-review.js';
export type { TokenReviewObservation, TokenReviewObserver } from './authentication/tokens/token-review.js';
export { reloadableAuthenticator } from './authentication/authenticator.js';

// Files that are replaced while they are in use
export {
  FollowedFiles,
  UnreadableFileError,
  type FileContent,
  type FollowedFilesOptions,
} from './files/followed-files.js';

export { OptionalFile, type OptionalFileOptions, type OptionalValue } from './files/optional-file.js';

// Other servers that are asked
export { openApiClient, type OpenApiClientOptions } from './kubernetes/kubeconfig/kubeconfig-client.js';
export type { ApiClient } from './kubernetes/api-client.js';
export {
  ReviewClient,
  type Reviewer,
  type ReviewClientOptions,
  type ReviewOptions,
} from './kubernetes/reviews/review-client.js';
export { ReviewError, type ReviewFailure } from './kubernetes/kubernetes-errors.js';
export {
  subjectAccessReview,
  tokenReview,
  type ReviewKind,
  type ReviewVersion,
} from './kubernetes/reviews/review-kind.js';
export type { ReviewObserver } from './kubernetes/reviews/review-kind.js';

// Authorization
export type { Attributes, Authorizer, Decision } from './authorization/authorizer.js';
export type { DecisionObserver, Verdict } from './authorization/authorizer.js';
export { alwaysAllowGroups } from './authorization/authorizer.js';
export { alwaysAllowPaths } from './authorization/authorizer.js';
export { rbacAuthorizer, type RbacAuthorizerOptions } from './authorization/rbac.js';

export {
  subjectAccessReviewAuthorizer,
  type SubjectAccessReviewOptions,
} from './authorization/subject-access-review.js';
export { PolicyUnavailableError, SubjectAccessReviewError } from './authorization/authorization-errors.js';
export type {
  SubjectAccessReviewObservation,
  SubjectAccessReviewObserver,
} from './authorization/subject-access-review.js';

// Policy
export type { ClusterRole, ClusterRoleBinding, PolicyObject, PolicyRule, Subject } from './policy/objects.js';
export {
  Policy,
  type PolicyLayerStatus,
  type PolicyOptions,
  type PolicySink,
  type PolicyState,
} from './policy/policy.js';
export type { PolicyChange } from './policy/index/policy-index.js';
export { openPolicy, type OpenPolicy, type OpenPolicyOptions } from './policy/open-policy.js';
export type { SnapshotResult } from './policy/snapshot/snapshot-restore.js';
export {
  cachePolicySource,
  rootPolicySource,
  systemAdminPolicySource,
  type ApiServerObserver,
  type ApiServerPolicySourceOptions,
} from './policy/sources/api-server.js';
export type { ReflectorFault } from './kubernetes/kubernetes-errors.js';
export type { RequestObservation } from './kubernetes/api-client.js';
export { KubeconfigError } from './kubernetes/kubernetes-errors.js';
export type { PolicySource } from './policy/policy-source.js';
export {
  directoryPolicySource,
  type DirectoryPolicySourceOptions,
  type ReloadResult,
} from './policy/sources/directory.js';
export { bootstrapPolicy } from './policy/sources/bootstrap.js';
export { ManifestError } from './policy/policy-errors.js';

// Exposition
export type {
  Exposition,
  RenderedExposition,
  ScrapeRequest,
  ScrapingUser,
  StreamedExposition,
  WholeExposition,
} from './exposition/exposition.js';
export { MetricConflictError, RegistriesError } from './exposition/exposition-errors.js';
export type { CollectorFailure } from './exposition/sources/registries/collectors.js';
export {
  registriesExposition,
  type MetricConflictPolicy,
  type RegistriesExpositionOptions,
} from './exposition/sources/registries.js';
export { reportMetrics, type ReportMetricsOptions } from './exposition/workers/report-metrics.js';
export type { ProcessChannel, ThreadChannel, WorkerChannel } from './exposition/workers/worker-channel.js';
export {
  workersExposition,
  type ClusterOfWorkers,
  type WorkersExposition,
  type WorkersExpositionOptions,
  type WorkersFailure,
} from './exposition/workers/workers-exposition.js';
export { WorkersError } from './exposition/exposition-errors.js';

export {
  upstreamExposition,
  type UpstreamExposition,
  type UpstreamExpositionOptions,
} from './exposition/sources/upstream/upstream.js';
export { IdentityHeadersError } from './exposition/exposition-errors.js';
export type { IdentityHeaders } from './exposition/sources/upstream/upstream-identity.js';
export type { TenantHeader, TenantSource } from './exposition/sources/upstream/upstream-identity.js';
export { NoTenantError, TenantHeadersError, type TenantFault } from './exposition/exposition-errors.js';
export { mergedExposition } from './exposition/merging/merged-exposition.js';
export type { MergedExpositionOptions } from './exposition/merging/merging-options.js';
export type {
  LeftOut,
  MemberFailure,
  MemberFault,
  MergedMember,
} from './exposition/merging/merging-options.js';
export { MergingOptionError } from './exposition/exposition-errors.js';
export {
  filteredExposition,
  type FilteredExpositionOptions,
  type FilterFailure,
  type FilterResult,
} from './exposition/relabelling/filtered-exposition.js';
export { encodedExposition } from './exposition/delivery/encoded-exposition.js';
export {
  sharedExposition,
  type ScrapeOrigin,
  type SharedExpositionOptions,
} from './exposition/delivery/shared-exposition.js';
export { limitedExposition } from './exposition/delivery/rendering-limit.js';
export {
  RenderingLimit,
  type LeavePlace,
  type RenderingLimitOptions,
  type RenderingPlaces,
} from './exposition/delivery/rendering-limit.js';
export {
  LaggingScraperError,
  SharingOptionError,
  TooManyScrapesError,
} from './exposition/exposition-errors.js';
export type { DropReason, SeriesCounts } from './exposition/relabelling/exposition-filter.js';
export { LabelMapping } from './exposition/relabelling/label-mapping.js';
export { LabelMappingError } from './exposition/exposition-errors.js';
export { readLabelMapping } from './exposition/relabelling/label-mapping.js';
export { RelabellingOptionError, SeriesLimitError } from './exposition/exposition-errors.js';
export { TextFormatError } from './exposition/exposition-errors.js';
export { UpstreamError } from './exposition/exposition-errors.js';

// Telemetry
export { FilterMetrics } from './telemetry/filter-metrics.js';
export { registerPolicyMetrics } from './telemetry/policy-metrics.js';
export { PolicySourceMetrics } from './telemetry/policy-metrics.js';
export { RestClientMetrics, type ObservedRequest } from './telemetry/outgoing-metrics.js';
export { ReviewMetrics, type ReviewPurpose } from './telemetry/outgoing-metrics.js';
export { UpstreamMetrics } from './telemetry/outgoing-metrics.js';

// Instrumentation of an API server
export {
  apiserverMetrics,
  type InstrumentationMiddleware,
} from './telemetry/api-server/apiserver-metrics.js';
export {
  ApiserverMetricsOptionError,
  type ApiserverMetricsOptions,
} from './telemetry/api-server/apiserver-metrics.js';
export type { InstrumentedResource } from './telemetry/api-server/request-labels.js';
export {
  healthcheckMetrics,
  type HealthcheckObserver,
  type HealthcheckResult,
} from './telemetry/server-metrics.js';

// The ready server
export type { ServerOptions } from './server/server-options.js';
export { startServer, type RunningServer } from './server/start-server.js';
export type { ServedZPagesOptions } from './server/routes.js';
export type { ConnectionLimits } from './server/connection-limits.js';
export { limitHandshakes, type LimitHandshakesOptions } from './server/limit-handshakes.js';
export type { RequestLimits } from './request/steps/limit-requests.js';
export type { Logger } from './server/server-options.js';
export type { CurrentKeyPair, KeyPair, NamedKeyPair } from './server/serving-certificates.js';
export type { TlsOptions } from './server/tls.js';
