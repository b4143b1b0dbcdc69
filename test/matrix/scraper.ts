/** Where to scrape, and as whom. */
export interface Target {
  readonly scheme: 'http' | 'https';
  readonly port: number;
  readonly path: string;
  readonly caFile?: string | undefined;
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly asked?: Asked | undefined;
}

/** A format, as Prometheus is configured for it and as everything else asks for it. */
export interface Asked {
  readonly scrape_protocols?: readonly string[];
  readonly metric_name_escaping_scheme?: string;
  readonly accept: string;
}

/** What a scrape came to. */
export interface Outcome {
  /** `name{labels} value`, sorted; the scraper's own left out. */
  readonly series: readonly string[];
  /** Why it failed; empty where it did not. */
  readonly error: string;
}

export const both = ['guarded', 'unguarded'] as const;
export type Side = (typeof both)[number];

/** Goes on scraping two servers with the same configuration, or does it when it is asked. */
export interface Scraping {
  /** The outcome of a scrape that begins after this call. */
  next(side: Side): Promise<Outcome>;
  stop(): Promise<void>;
}

export interface Scraper {
  /** What is not there; undefined where it can be run. */
  readonly missing: string | undefined;
  scrape(targets: Readonly<Record<Side, Target>>, intervalSeconds: number): Promise<Scraping>;
}
