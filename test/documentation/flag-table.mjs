/** The first row of the README's table of flags. */
export const tableHead = /^\| flag +\| default +\| meaning +\|$/m;

const inTable = (text) => text.replaceAll('|', '\\|');

/** The rows of the README's table of flags, each topic under a row that names it. */
export function flagRows(topics) {
  return topics.flatMap(({ heading, flags }) => [
    `| **${heading}** | | |`,
    ...flags.map(({ name, default: preset, description }) => {
      const shown = preset === undefined ? '' : preset === '' ? 'empty' : `\`${inTable(preset)}\``;
      return `| \`${name}\` | ${shown} | ${inTable(description).replaceAll('*', '\\*')} |`;
    }),
  ]);
}

/** A README with its table of flags, from the first row to the next empty line, made anew. */
export function withFlagTable(readme, topics) {
  const start = readme.search(tableHead);
  if (start === -1) throw new Error('the README has no table of flags');
  const end = readme.indexOf('\n\n', start);
  const table = ['| flag | default | meaning |', '| --- | --- | --- |', ...flagRows(topics)].join('\n');
  return `${readme.slice(0, start)}${table}${end === -1 ? '\n' : readme.slice(end)}`;
}
