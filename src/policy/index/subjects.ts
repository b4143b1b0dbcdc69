import type { Subject } from '../objects.js';

const serviceAccountPrefix = 'system:serviceaccount:';

/** As whom a subject is looked up: a user's name or a group's, which never meet. */
export interface SubjectKey {
  readonly kind: 'user' | 'group';
  readonly name: string;
}

/** Undefined for a subject that can never match: a ServiceAccount without a namespace. */
export function subjectKey(subject: Subject): SubjectKey | undefined {
  switch (subject.kind) {
    case 'User':
      return { kind: 'user', name: subject.name };
    case 'Group':
      return { kind: 'group', name: subject.name };
    case 'ServiceAccount':
      return subject.namespace === undefined || subject.namespace === ''
        ? undefined
        : { kind: 'user', name: `${serviceAccountPrefix}${subject.namespace}:${subject.name}` };
  }
}

/** As Kubernetes describes a subject in an authorizer's reason. */
export function describeSubject(subject: Subject): string {
  const name =
    subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace ?? ''}` : subject.name;
  return `${subject.kind} ${JSON.stringify(name)}`;
}

/** `<namespace>:<name>` of a service account's user name. */
export function serviceAccountSuffix(userName: string): string | undefined {
  return userName.startsWith(serviceAccountPrefix) ? userName.slice(serviceAccountPrefix.length) : undefined;
}
