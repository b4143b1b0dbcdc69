import type { FileContent } from '../../files/followed-files.js';
import { TimeSlice } from '../../time-slice.js';
import { LabelMapping } from './label-mapping.js';
import { labelNameFault } from './label-name.js';
import { LabelValueTable } from './label-value-table.js';
import { readPlainObject } from '../../documents/plain-object.js';
import { sourceOf, utf8TextOf, type Source } from '../../documents/source.js';
import { LabelMappingError } from '../exposition-errors.js';

/** About 100,000 names. */
const maxBytes = 4 * 1024 * 1024;
const stepsBetweenLooks = 64;

/**
 * The mapping that a YAML or JSON file holds, read whole or not at all:
 *
 * ```yaml
 * labels:
 *   namespace:
 *     host-namespace-x-virtual-cluster: team-a
 * ```
 *
 * Every name is text, quoted or not. It is what `FollowedFiles` parses with, and reads in slices, so that a large file
 * holds up nobody.
 *
 * @throws LabelMappingError
 */
export async function readLabelMapping([content]: readonly FileContent[]): Promise<LabelMapping> {
  if (content === undefined) throw new RangeError('one file is needed');
  const { file, bytes } = content;
  const source = sourceOf(file, LabelMappingError);
  if (bytes.byteLength > maxBytes) source.fail(1, `larger than ${maxBytes} bytes`);
  const tables = new Map<string, LabelValueTable>();
  await inSlices(mappingSteps(utf8TextOf(bytes, source), source, tables));
  return new LabelMapping(tables);
}

function* mappingSteps(
  text: string,
  source: Source,
  tables: Map<string, LabelValueTable>,
): Generator<undefined, void, undefined> {
  let isEmpty = true;
  for (const labels of yield* readPlainObject(text, source)) {
    if (labels.key !== 'labels' || !isEmpty) labels.fail('only one entry, "labels", may stand here');
    isEmpty = false;
    for (const label of labels.entries('labels:')) {
      const fault = labelNameFault(label.key);
      if (fault !== undefined) label.fail(`labels: ${fault}`);
      if (tables.has(label.key)) label.fail(`labels: "${label.key}" stands twice`);
      const table = new LabelValueTable();
      tables.set(label.key, table);
      const where = `labels.${label.key}:`;
      for (const entry of label.entries(where)) {
        const wrong = table.add(entry.key, entry.text());
        if (wrong !== undefined) entry.fail(`${where} ${wrong}`);
        yield;
      }
    }
  }
  // Without a label nothing would be left out.
  if (tables.size === 0) source.fail(1, 'labels: must name a label');
}

async function inSlices(steps: Generator<undefined, void, undefined>): Promise<void> {
  const slice = new TimeSlice(4);
  for (let count = 1; steps.next().done !== true; count += 1) {
    if (count % stepsBetweenLooks === 0 && slice.isOver) await slice.rest();
  }
}
