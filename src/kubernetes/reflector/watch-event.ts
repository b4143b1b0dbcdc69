import { member, stringMember } from './json-member.js';
import { MalformedError, parseJson } from './malformed-error.js';

/** A line of a watch, as far as a reflector reads it. */
export type WatchEvent =
  | {
      readonly type: 'ADDED' | 'MODIFIED';
      readonly resourceVersion: string;
      /** As it came, to be decoded. */
      readonly object: unknown;
    }
  | { readonly type: 'DELETED'; readonly resourceVersion: string; readonly name: string }
  | {
      readonly type: 'BOOKMARK';
      readonly resourceVersion: string;
      /** Everything there was when the watch began has been sent. */
      readonly endsInitialEvents: boolean;
    }
  | {
      readonly type: 'ERROR';
      /** A Status, as it came. */
      readonly object: unknown;
    };

const endAnnotation = 'k8s.io/initial-events-end';

/** @throws MalformedError for what is no event of a known type with a resourceVersion. */
export function parseWatchEvent(line: string): WatchEvent {
  const event = parseJson(line);
  const type = member(event, 'type');
  const object = member(event, 'object');
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return { type, resourceVersion: resourceVersionOf(object), object };
    case 'DELETED': {
      const name = stringMember(object, 'metadata', 'name');
      if (name === undefined) throw new MalformedError('an event of an object without a name');
      return { type, resourceVersion: resourceVersionOf(object), name };
    }
    case 'BOOKMARK':
      return {
        type,
        resourceVersion: resourceVersionOf(object),
        endsInitialEvents: member(object, 'metadata', 'annotations', endAnnotation) === 'true',
      };
    case 'ERROR':
      return { type, object };
    default:
      throw new MalformedError('an event of an unknown type');
  }
}

function resourceVersionOf(object: unknown): string {
  const resourceVersion = stringMember(object, 'metadata', 'resourceVersion');
  if (resourceVersion === undefined) throw new MalformedError('an event without a resourceVersion');
  return resourceVersion;
}
