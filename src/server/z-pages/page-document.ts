/** What one page says, as data: its text and its HTML say the same. */
export interface PageDocument {
  readonly title: string;
  /** A sentence or two below the title. */
  readonly notice: string;
  readonly sections: readonly PageSection[];
  /** Other pages of the same server. */
  readonly links: readonly PageLink[];
}

export interface PageLink {
  /** Of the same server, with its leading slash. */
  readonly target: string;
  readonly about: string;
}

interface Headed {
  readonly heading: string;
  /** What the section holds, for whoever hears the page rather than sees it. */
  readonly caption: string;
}

export type PageSection = FactsSection | TableSection | ListSection | LinksSection;

/** Names and what is known of each. */
export interface FactsSection extends Headed {
  readonly kind: 'facts';
  /** What the text puts between the two. */
  readonly delimiter: ': ' | '=';
  readonly columns: readonly [name: string, value: string];
  readonly facts: readonly (readonly [name: string, value: string])[];
}

/** Rows of which the first cell names each; none at all is said in a word. */
export interface TableSection extends Headed {
  readonly kind: 'table';
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What stands in an order that matters. */
export interface ListSection extends Headed {
  readonly kind: 'list';
  readonly items: readonly string[];
}

/** Paths of the same server, where they are what the page is about. */
export interface LinksSection extends Headed {
  readonly kind: 'links';
  readonly columns: readonly [path: string, about: string];
  readonly links: readonly PageLink[];
}
