import type { Registry } from 'prom-client';
import type { Exposition } from '../exposition/exposition.js';
import type { RenderingPlaces } from '../exposition/delivery/rendering-limit.js';
import type { OpenPolicy } from '../policy/open-policy.js';
import type { KeyPair } from '../server/serving-certificates.js';
import type { GivenOptions } from './option.js';

/** What one process holds for all workers, as a worker sees it; a server of one process has none. */
export interface SharedByWorkers {
  /** A copy of the policy, in step with the primary's; undefined where it has none. @throws UsageError */
  openPolicy(values: GivenOptions): Promise<OpenPolicy | undefined>;
  /** Reports a registry of this worker under a path; the exposition is of all workers. */
  expositionOf(path: string, registry: Registry, own: Exposition): Exposition;
  /** Where renderings are granted their places. */
  places(max: number): RenderingPlaces;
  /** The port to ask for in the place of the one that a flag names. */
  port(asked: number): number;
  /** Takes the pair that all workers serve, where this one has made one up. */
  selfSigned(pair: KeyPair): KeyPair;
}
