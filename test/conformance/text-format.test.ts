import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expositionFormat } from '../../src/exposition/text-format/exposition-format.js';
import { UpstreamError, TextFormatError } from '../../src/exposition/exposition-errors.js';
import {
  filteredExposition,
  type FilteredExpositionOptions,
} from '../../src/exposition/relabelling/filtered-exposition.js';
import { labelled, merged } from '../exposition/merging/merging.js';
import { fixedExposition, textOf } from '../exposition/relabelling/filtering.js';
import { inPieces, partsOf } from '../exposition/text-format/expositions.js';
import { listen, type Listening } from '../support/listening.js';
import { createRecordedPki, type RecordedPki } from '../support/recorded-pki.js';
import { keyPairOf, RawClient, type RawAnswer } from '../support/raw-tls.js';
import { startCli } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: string;
  /** Milliseconds. */
  readonly ts?: number;
}

/** What Prometheus' parser says of an exposition. */
interface Row {
  readonly contentType: string;
  readonly body: string;
  readonly ok: boolean;
  readonly samples?: readonly Sample[];
  readonly types?: Readonly<Record<string, string>>;
}

const rows = JSON.parse(
  gunzipSync(readFileSync(new URL('data/text-format.json.gz', import.meta.url))).toString(),
) as readonly Row[];

const steady = 'steady_metric 1\n';

describe('every recorded exposition', () => {
  it('is read where Prometheus takes it, and refused where it does not, however it is cut', async () => {
    const faults: unknown[] = [];
    for (const { contentType, body, ok } of rows) {
      const bytes = Buffer.from(body);
      for (const lengths of [[Infinity], [1], [7, 30]]) {
        const isRead = await partsOf(inPieces(bytes, lengths), expositionFormat(contentType)).then(
          () => true,
          (error: unknown) => {
            if (error instanceof TextFormatError) return false;
            throw error;
          },
        );
        if (isRead !== ok) faults.push({ body, ok, lengths });
      }
    }
    expect(faults).toEqual([]);
  });
});

const filters: readonly (readonly [string, FilteredExpositionOptions, readonly string[]])[] = [
  ['metrics are left out', { dropMetrics: ['never_*'] }, ['--drop-metrics=never_*']],
  [
    'labels are changed',
    { dropLabels: ['never'], renameLabels: { never_more: 'nevermore' } },
    ['--drop-labels=never', '--rename-labels=never_more=nevermore'],
  ],
];
const textRows = rows.filter(({ contentType }) => expositionFormat(contentType) === 'text');

describe('every recorded exposition is whole, or nothing of it is served', () => {
  it('merged with another', async () => {
    const faults: unknown[] = [];
    for (const row of textRows) {
      const members = [
        { name: 'row', exposition: fixedExposition(row), labels: { upstream: 'row' } },
        labelled('other', steady),
      ];
      const { text } = await merged(members);
      const fault = mergedFault(row, text);
      if (fault !== undefined) faults.push({ fault, row });
    }
    expect(faults).toEqual([]);
  });

  it.each(filters)('where %s', async (_what, options) => {
    const faults: unknown[] = [];
    for (const row of rows) {
      const exposition = filteredExposition(fixedExposition(row), options);
      const text = await exposition.render({ accept: '' }).then(textOf, (error: unknown) => {
        if (error instanceof UpstreamError) return undefined;
        throw error;
      });
      const fault = filteredFault(row, text);
      if (fault !== undefined) faults.push({ fault, row });
    }
    expect(faults).toEqual([]);
  });
});

describe('a recorded exposition, served by the built command', () => {
  const directory = temporaryDirectory();
  let pki: RecordedPki;
  let upstream: Listening;
  let current: Pick<Row, 'contentType' | 'body'> = { contentType: 'text/plain', body: '' };
  beforeAll(async () => {
    pki = await createRecordedPki(directory);
    upstream = await listen(
      createServer((request, response) => {
        const { contentType, body } =
          request.url === '/row' ? current : { contentType: 'text/plain', body: steady };
        response.writeHead(200, { 'Content-Type': contentType });
        response.end(body);
      }),
    );
  });
  afterAll(async () => {
    await upstream.close();
  });

  /** One row of many, since each is a request over TLS: those for which `faultOf` finds something. */
  async function faultsOf(
    flags: readonly string[],
    all: readonly Row[],
    faultOf: (row: Row, answer: RawAnswer) => string | undefined,
  ): Promise<readonly unknown[]> {
    const server = await startCli(['--mode=shard', ...pki.flags, ...flags]);
    const client = new RawClient({ port: server.port, ...keyPairOf(pki.certificates['masters']) });
    const faults: unknown[] = [];
    for (const row of all.filter((_row, at) => at % 40 === 0)) {
      current = row;
      const answer = await client.request('/metrics', { headers: { Accept: row.contentType } });
      const fault = faultOf(row, answer);
      if (fault !== undefined) faults.push({ fault, row, answer: answer.body });
    }
    client.close();
    expect(await server.stop()).toBe(0);
    return faults;
  }

  it('is part of a merged one, or left out of it', async () => {
    const url = `http://127.0.0.1:${upstream.port}`;
    const flags = [`--upstream=row=${url}/row,other=${url}/other`];
    const faults = await faultsOf(flags, textRows, (row, { body }) => mergedFault(row, body));
    expect(faults).toEqual([]);
  });

  it.each(filters)('is whole, or a 502, where %s', async (_what, _options, flags) => {
    const url = `http://127.0.0.1:${upstream.port}/row`;
    const faults = await faultsOf([`--upstream=${url}`, ...flags], rows, (row, { status, body }) =>
      filteredFault(row, status === 502 ? undefined : body),
    );
    expect(faults).toEqual([]);
  });
});

function mergedFault(row: Row, body: string): string | undefined {
  const isUp = `kcp_metrics_filter_upstream_up{upstream="row"} ${row.ok ? 1 : 0}\n`;
  if (!body.includes(isUp)) return 'the wrong one is up';
  if (!body.includes('\nsteady_metric{upstream="other"} 1\n')) return 'not the other one';
  const served = samplesOf(body, 'text').flatMap(({ labels: { upstream, ...labels }, ...rest }) =>
    upstream === 'row' && labels['__name__']?.startsWith('kcp_metrics_filter_') === false
      ? [{ labels, ...rest }]
      : [],
  );
  if (row.ok) return differenceOf(row, served, body);
  return served.length === 0 ? undefined : 'something of it is served';
}

/** @param body undefined where it was refused. */
function filteredFault(row: Row, body: string | undefined): string | undefined {
  if ((body !== undefined) !== row.ok) return row.ok ? 'it is refused' : 'it is served';
  return body === undefined
    ? undefined
    : differenceOf(row, samplesOf(body, expositionFormat(row.contentType)), body);
}

/** What is served otherwise than it stands in the row. */
function differenceOf(
  { samples = [], types = {} }: Row,
  served: readonly Sample[],
  body: string,
): string | undefined {
  const expected = samples.map(keyOf).sort();
  const found = served.map(keyOf).sort();
  if (expected.join('\n') !== found.join('\n')) return `${found.join(' ')} instead of ${expected.join(' ')}`;
  for (const [name, type] of Object.entries(types)) {
    const written = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) ? name : `"${name}"`;
    const [line, ...others] = body.split('\n').filter((other) => other.startsWith(`# TYPE ${written} `));
    if (others.length > 0) return `several types of ${name}`;
    if (line?.replace(' untyped', ' unknown') !== `# TYPE ${written} ${type}`)
      return `${line ?? 'no type'} of ${name}`;
  }
  return undefined;
}

function keyOf({ labels, value, ts }: Sample): string {
  // A blank before a sample becomes part of its name in Prometheus; here it is left out.
  const trimmed = { ...labels, __name__: labels['__name__']?.trimStart() };
  return JSON.stringify([Object.entries(trimmed).sort(), numberOf(value), ts ?? null]);
}

function numberOf(text: string): string {
  const number = Number(text.replace(/inf$/i, 'Infinity'));
  return Object.is(number, -0) ? '-0' : String(number);
}

const braces = String.raw`\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}`;
const sampleLine = new RegExp(
  String.raw`^(?:([a-zA-Z_:][a-zA-Z0-9_:]*)(?:${braces})?|${braces}) (\S+)(?: ([^#\s]\S*))?(?: # .*)?$`,
);
const label = /(?:("(?:[^"\\]|\\.)*")|([a-zA-Z_][a-zA-Z0-9_]*))(?:="((?:[^"\\]|\\.)*)")?(?:,|$)/y;

/** The samples of an exposition as a filter writes it; any other line is an error. */
function samplesOf(body: string, format: string | undefined): readonly Sample[] {
  return body.split('\n').flatMap((line) => {
    if (line === '' || line.startsWith('#')) return [];
    const [, name, plain, quoted, value = '', time] = sampleLine.exec(line) ?? [];
    const inBraces = plain ?? quoted ?? '';
    const labels: Record<string, string> = name === undefined ? {} : { __name__: name };
    label.lastIndex = 0;
    for (let end = 0; end < inBraces.length; end = label.lastIndex) {
      const found = label.exec(inBraces);
      if (found === null) throw new Error(`no labels: ${line}`);
      const [, quotedName, plainName = unescaped(quotedName ?? '').slice(1, -1), labelValue] = found;
      if (labelValue === undefined) labels['__name__'] = plainName;
      else labels[plainName] = unescaped(labelValue);
    }
    if (value === '') throw new Error(`no sample: ${line}`);
    const ts = time === undefined ? {} : { ts: format === 'text' ? Number(time) : millisecondsOf(time) };
    return [{ labels, value, ...ts }];
  });
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_escape, character: string) => (character === 'n' ? '\n' : character));
}

/** Of OpenMetrics' seconds; what is beyond an int64 is the smallest one to Prometheus. */
function millisecondsOf(seconds: string): number {
  const milliseconds = Math.trunc(Number(seconds) * 1000);
  return Math.abs(milliseconds) < 2 ** 63 ? milliseconds : -(2 ** 63);
}
