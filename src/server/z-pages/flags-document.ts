import type { PageDocument, PageLink } from './page-document.js';
import { shownValue } from './redacted-value.js';
import type { FlagInForce } from './server-status.js';
import { warning } from './status-document.js';

/** `/flagz`: every flag by its name, as Kubernetes lists them. What may be a secret is `CLASSIFIED`. */
export function flagsDocument(
  component: string,
  flags: readonly FlagInForce[],
  links: readonly PageLink[],
): PageDocument {
  const sorted = [...flags].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
  return {
    title: `${component} flagz`,
    notice: warning,
    sections: [
      {
        kind: 'facts',
        heading: 'Flags',
        caption: 'Each with the value in force, given or by default.',
        delimiter: '=',
        columns: ['Flag', 'Value'],
        facts: sorted.map(({ name, value }) => [name, shownValue(name, value)]),
      },
    ],
    links,
  };
}
