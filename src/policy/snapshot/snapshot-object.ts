import type { PolicyObject, PolicyRule, Subject } from '../objects.js';
import { isBoolean, isListOf, isOneOf, isRecordOf, isString } from './snapshot-fields.js';

/** An object as one line of JSON, without the line's end: the fields it should have, whatever else came along. */
export function encodeObject(object: PolicyObject): string {
  switch (object.kind) {
    case 'ClusterRole': {
      const { kind, name, rules, origin } = object;
      return JSON.stringify({ kind, name, rules: rules.map(onlyRule), origin });
    }
    case 'ClusterRoleBinding': {
      const { kind, name, role, subjects, replicated, origin } = object;
      return JSON.stringify({ kind, name, role, subjects: subjects.map(onlySubject), replicated, origin });
    }
  }
}

function onlyRule({ verbs, nonResourceURLs }: PolicyRule): PolicyRule {
  return { verbs, nonResourceURLs };
}

function onlySubject({ kind, name, namespace }: Subject): Subject {
  return namespace === undefined ? { kind, name } : { kind, name, namespace };
}

/** Whether a parsed line is an object of the policy: with every field it has to have, and none it may not. */
export function isPolicyObject(value: unknown): value is PolicyObject {
  return isClusterRole(value) || isClusterRoleBinding(value);
}

const isStringList = isListOf(isString);
const isRule = isRecordOf({ verbs: isStringList, nonResourceURLs: isStringList });
const isSubject = isRecordOf(
  { kind: isOneOf('User', 'Group', 'ServiceAccount'), name: isString },
  { namespace: isString },
);
const isClusterRole = isRecordOf(
  { kind: isOneOf('ClusterRole'), name: isString, rules: isListOf(isRule) },
  { origin: isString },
);
const isClusterRoleBinding = isRecordOf(
  {
    kind: isOneOf('ClusterRoleBinding'),
    name: isString,
    role: isString,
    subjects: isListOf(isSubject),
    replicated: isBoolean,
  },
  { origin: isString },
);
