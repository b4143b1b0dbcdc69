import type { Exposition, RenderedExposition } from '../../../src/exposition/exposition.js';
import { mergedExposition } from '../../../src/exposition/merging/merged-exposition.js';
import type {
  MergedExpositionOptions,
  LeftOut,
  MemberFailure,
  MergedMember,
} from '../../../src/exposition/merging/merging-options.js';
import { contentTypes, fixedExposition, textOf } from '../relabelling/filtering.js';

export interface Merged {
  /** All of it. */
  readonly text: string;
  /** Without the metrics of the members themselves. */
  readonly series: string;
  /** Which members are up: `{ a: 1, b: 0 }`. */
  readonly up: Readonly<Record<string, number>>;
  readonly failures: readonly MemberFailure[];
  readonly leftOut: readonly LeftOut[];
}

export function member(
  name: string,
  body: RenderedExposition['body'],
  labels?: MergedMember['labels'],
): MergedMember {
  const exposition = fixedExposition(renderedOf(body));
  return { name, exposition, ...(labels === undefined ? {} : { labels }) };
}

/** With the label that the command line adds. */
export function labelled(name: string, body: RenderedExposition['body']): MergedMember {
  return member(name, body, { upstream: name });
}

export async function merged(
  members: readonly MergedMember[],
  options: Partial<MergedExpositionOptions> = {},
): Promise<Merged> {
  const failures: MemberFailure[] = [];
  const leftOut: LeftOut[] = [];
  const exposition: Exposition = mergedExposition({
    members,
    onFailure: (failure) => failures.push(failure),
    onLeftOut: (what) => leftOut.push(what),
    ...options,
  });
  const text = await textOf(await exposition.render({ accept: '' }));
  const own = text.lastIndexOf('# HELP kcp_metrics_filter_upstream_up ');
  const up = [...text.slice(own).matchAll(/_up\{upstream="([^"]+)"\} ([01])\n/g)];
  return {
    text,
    series: text.slice(0, own),
    up: Object.fromEntries(up.map(([, name = '', value]) => [name, Number(value)])),
    failures,
    leftOut,
  };
}

function renderedOf(body: RenderedExposition['body']): RenderedExposition {
  const contentType = contentTypes.text;
  return typeof body === 'string' || body instanceof Uint8Array
    ? { contentType, body }
    : { contentType, body };
}
