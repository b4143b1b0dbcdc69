import type { ControlPlane } from './control-plane.js';

/** Of a SubjectAccessReview: who, and what he asks for. */
export interface AccessQuestion {
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  readonly nonResourceAttributes?: { readonly verb: string; readonly path: string };
  readonly resourceAttributes?: {
    readonly verb: string;
    readonly group: string;
    readonly resource: string;
    readonly name?: string;
  };
}

/** The API server's own answer. */
export async function isAllowed(
  server: Pick<ControlPlane, 'request'>,
  question: AccessQuestion,
): Promise<boolean> {
  const { status, body } = await server.request(
    'POST',
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    accessReview(question),
  );
  if (status >= 300) throw new Error(`${status} to a SubjectAccessReview`);
  return (body as { readonly status: { readonly allowed: boolean } }).status.allowed;
}

/** As it is sent. */
export function accessReview(question: AccessQuestion): object {
  return { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: question };
}
