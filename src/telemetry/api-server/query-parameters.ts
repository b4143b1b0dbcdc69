/** What a query says that Kubernetes' labels depend on. */
export interface QueryParameters {
  /** `watch`, where it is there and says neither `0` nor `false`. */
  readonly watches: boolean;
  /** `dryRun` as Kubernetes labels it. */
  readonly dryRun: '' | 'All' | 'invalid';
  /** The object that a field selector for `metadata.name` selects; empty without one. */
  readonly selectedName: string;
}

const none: QueryParameters = { watches: false, dryRun: '', selectedName: '' };
const relevant = /watch|dryRun|fieldSelector|%/;
const exactName = /^metadata\.name==?([^=!\\/%]+)$/;

/** Reads a raw query, with or without its `?`. Most have nothing of interest and are not parsed. */
export function queryParameters(query: string): QueryParameters {
  if (query === '' || !relevant.test(query)) return none;
  const parameters = new URLSearchParams(query);
  const watch = parameters.get('watch')?.toLowerCase();
  return {
    watches: watch !== undefined && watch !== '0' && watch !== 'false',
    dryRun: dryRunOf(parameters.getAll('dryRun')),
    selectedName: selectedName(parameters.get('fieldSelector') ?? ''),
  };
}

function dryRunOf(values: readonly string[]): QueryParameters['dryRun'] {
  if (values.length === 0) return '';
  return values.every((value) => value === 'All') ? 'All' : 'invalid';
}

function selectedName(fieldSelector: string): string {
  for (const term of fieldSelector.split(',')) {
    const name = exactName.exec(term)?.[1];
    if (name !== undefined) return name === '.' || name === '..' ? '' : name;
  }
  return '';
}
