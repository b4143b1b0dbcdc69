/** The first row of the table of flags in docs/flags.md. */
export const tableHead = /^\| flag +\| default +\| meaning +\|$/m;

const inTable = (text) => text.replaceAll('|', '\\|');

/** The rows of the table of flags, each topic under a row that names it. */
export function flagRows(topics) {
  return topics.flatMap(({ heading, flags }) => [
    `| **${heading}** | | |`,
    ...flags.map(({ name, default: preset, description }) => {
      const shown = preset === undefined ? '' : preset === '' ? 'empty' : `\`${inTable(preset)}\``;
      return `| \`${name}\` | ${shown} | ${inTable(description).replaceAll('*', '\\*')} |`;
    }),
  ]);
}

/** docs/flags.md: a table without padding, since a line is as long as its flag's meaning. */
export function flagPage(topics) {
  const table = ['| flag | default | meaning |', '| --- | --- | --- |', ...flagRows(topics)].join('\n');
  return `# Flags of \`start\`

Lists are separated by commas, and their flags may be repeated. Each flag is a field of the
[configuration file](operations.md#configuration-file), too.

<!-- prettier-ignore -->
${table}

\`kcp-metrics-filter <command> --help\` prints those of the other commands.
`;
}
