/** The first row of the table of flags in docs/flags.md. */
export const tableHead = /^\| flag +\| default +\| meaning +\|$/m;

const inTable = (text) => text.replaceAll('|', '\\|');

/** The rows of the table of flags, the topics of each heading under a row that names it. */
export function flagRows(topics) {
  return topics.flatMap(({ heading, options }, at) => [
    ...(heading === topics[at - 1]?.heading ? [] : [`| **${heading}** | | |`]),
    ...Object.values(options).map(({ name, default: preset, description }) => {
      // A list as it is written on the command line.
      const text = preset === undefined ? undefined : String(preset);
      const shown = text === undefined ? '' : text === '' ? 'empty' : `\`${inTable(text)}\``;
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
