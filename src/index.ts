// The guard, and its steps, each a middleware of its own
export { openMetricsFilter } from './options/open-metrics-filter.js';
export type { OpenMetricsFilter, OpenMetricsFilterOptions } from './options/mounted-filter.js';
export type { BearerToken } from './authentication/tokens/token-file.js';
export type { Logger } from './server/server-options.js';
export {
  metricsFilter,
  guardSteps,
  type MetricsFilterOptions,
  type RequestRefusal,
  type Handler,
  type GuardSteps,
} from './request/guard.js';
export { chain, type Guard, type Middleware, type Next, type Request } from './request/middleware.js';
export { classifyPath, type ClassifyPathOptions } from './request/steps/classify-path.js';
export { alwaysAllow, allowPaths, ignorePaths } from './request/steps/listed-paths.js';
export { limitRequests, type LimitRequestsOptions } from './request/steps/limit-requests.js';
export { authenticate, type AuthenticateOptions } from './request/steps/authenticate.js';
export { authorize, type AuthorizeOptions } from './request/steps/authorize.js';
export {
  refuseInMaintenance,
  type RefuseInMaintenanceOptions,
  type Maintenance,
} from './request/steps/refuse-in-maintenance.js';
export { serveExposition, type ServeExpositionOptions } from './request/steps/serve-exposition.js';
export { audit } from './request/steps/audit.js';
export type { AuditEvent, AuditSink } from './audit/audit-event.js';
export { limitHandshakes, type LimitHandshakesOptions } from './server/limit-handshakes.js';

// Paths
export {
  createPathClassifier,
  type PathClassification,
  type PathClassifier,
  type PathClassifierOptions,
  type ServerKind,
  type Scope,
} from './paths/classify.js';

// Authentication
export {
  reloadableAuthenticator,
  type Authenticator,
  type Authentication,
  type Credentials,
} from './authentication/authenticator.js';
export type { Identity } from './authentication/identity.js';
export {
  createCertificateVerifier,
  type CertificateVerifier,
  type CertificateVerifierOptions,
} from './authentication/certificates/certificate-verifier.js';
export {
  clientCertificateAuthenticator,
  type ClientCertificateOptions,
} from './authentication/certificates/client-certificate.js';
export { requestHeaderAuthenticator, type RequestHeaderOptions } from './authentication/front-proxy.js';
export { tokenFileAuthenticator, type TokenFileOptions } from './authentication/tokens/token-file.js';
export {
  serviceAccountAuthenticator,
  type ServiceAccountOptions,
} from './authentication/tokens/service-account.js';
export { oidcAuthenticator, type OidcOptions } from './authentication/tokens/oidc/oidc.js';
export { tokenReviewAuthenticator, type TokenReviewOptions } from './authentication/tokens/token-review.js';
export { staticKeySet, type KeySet } from './authentication/tokens/jwt/key-set.js';
export { parsePublicKeys } from './authentication/tokens/jwt/verification-keys.js';
export { RemoteKeySet, type RemoteKeySetOptions } from './authentication/tokens/jwt/remote-key-set.js';

// Authorization
export {
  alwaysAllowGroups,
  alwaysAllowPaths,
  type Authorizer,
  type Attributes,
  type Decision,
  rbacAuthorizer,
  type RbacAuthorizerOptions,
} from './authorization/authorizer.js';
export {
  subjectAccessReviewAuthorizer,
  type SubjectAccessReviewOptions,
} from './authorization/subject-access-review.js';
export { workspaceAccess, type WorkspaceAccess } from './authorization/workspace-access.js';

// Policy
export { openPolicy, type OpenPolicy, type OpenPolicyOptions } from './policy/open-policy.js';
export { Policy, type PolicyOptions, type PolicySink } from './policy/policy.js';
export type { PolicySource } from './policy/policy-source.js';
export { directoryPolicySource, type DirectoryPolicySourceOptions } from './policy/sources/directory.js';
export {
  rootPolicySource,
  cachePolicySource,
  workspacesPolicySource,
  type ApiServerPolicySourceOptions,
} from './policy/sources/api-server.js';
export type { ClusterRole, ClusterRoleBinding, PolicyRule, Subject } from './policy/objects.js';

// Other servers that are asked
export { openApiClient, type OpenApiClientOptions } from './kubernetes/kubeconfig/kubeconfig-client.js';
export type { ApiClient } from './kubernetes/api-client.js';
export { ReviewClient, type ReviewClientOptions } from './kubernetes/reviews/review-client.js';
export { subjectAccessReview, tokenReview } from './kubernetes/reviews/review-kind.js';

// Expositions
export type { Exposition, ScrapeRequest, RenderedExposition } from './exposition/exposition.js';
export {
  registriesExposition,
  type RegistriesExpositionOptions,
} from './exposition/sources/registries-exposition.js';
export { workersExposition, type WorkersExpositionOptions } from './exposition/workers/workers-exposition.js';
export { reportMetrics, type ReportMetricsOptions } from './exposition/workers/report-metrics.js';
export {
  upstreamExposition,
  type UpstreamExpositionOptions,
} from './exposition/sources/upstream/upstream.js';
export { mergedExposition } from './exposition/merging/merged-exposition.js';
export type { MergedExpositionOptions } from './exposition/merging/merging-options.js';
export {
  filteredExposition,
  type FilteredExpositionOptions,
} from './exposition/relabelling/filtered-exposition.js';
export { LabelMapping, readLabelMapping } from './exposition/relabelling/label-mapping.js';
export { sharedExposition, type SharedExpositionOptions } from './exposition/delivery/shared-exposition.js';
export {
  limitedExposition,
  RenderingLimit,
  type RenderingLimitOptions,
} from './exposition/delivery/rendering-limit.js';
export { encodedExposition } from './exposition/delivery/encoded-exposition.js';
export {
  workspaceExpositions,
  type WorkspaceExpositions,
  type WorkspaceExpositionsOptions,
} from './exposition/workspaces/workspace-expositions.js';

// Metrics of the filter, and of an Express API server
export { FilterMetrics } from './telemetry/filter-metrics.js';
export { apiserverMetrics, type ApiserverMetricsOptions } from './telemetry/api-server/apiserver-metrics.js';
export { healthcheckMetrics } from './telemetry/server-metrics.js';

// Errors: each has a `code`
export { CodedError } from './coded-error.js';
export { MetricsFilterOptionError } from './option-checks.js';
export { PolicyUnavailableError } from './authorization/authorization-errors.js';
export { NoTenantError, TooManyScrapesError } from './exposition/exposition-errors.js';
export { KubernetesClientMissingError } from './kubernetes/kubernetes-errors.js';
