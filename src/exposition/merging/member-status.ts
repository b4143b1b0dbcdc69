import { TextFormatReader } from '../text-format/text-format-reader.js';
import { HeldExposition } from './held-exposition.js';
import type { MemberScrape } from './scrape-member.js';

const up = 'kcp_metrics_filter_upstream_up';
const seconds = 'kcp_metrics_filter_upstream_scrape_duration_seconds';

/** How each member was scraped, as an exposition of its own: `up` as Prometheus has it of its targets. */
export function memberStatus(scrapes: readonly MemberScrape[]): HeldExposition {
  const lines = [
    `# HELP ${up} Whether the upstream's exposition is part of this scrape.`,
    `# TYPE ${up} gauge`,
    ...scrapes.map(
      ({ member, result }) => `${up}{upstream="${member.name}"} ${result instanceof HeldExposition ? 1 : 0}`,
    ),
    `# HELP ${seconds} Time until the upstream's exposition was read, or failed, in seconds.`,
    `# TYPE ${seconds} gauge`,
    ...scrapes.map((scrape) => `${seconds}{upstream="${scrape.member.name}"} ${scrape.seconds.toFixed(6)}`),
  ];
  const reader = new TextFormatReader({ format: 'text' });
  const held = new HeldExposition(Infinity, undefined);
  for (const part of reader.read(Buffer.from(lines.map((line) => `${line}\n`).join('')))) held.write(part);
  for (const part of reader.end()) held.write(part);
  return held;
}
