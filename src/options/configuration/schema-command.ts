import type { CommandDescription } from '../../cli/command.js';
import { configurationSchema } from './schema.js';

export const schemaCommand: CommandDescription = {
  name: 'schema',
  description: 'print the JSON Schema of the file that --config names',
  flags: [],
  run: ({ terminal }) => {
    terminal.print(JSON.stringify(configurationSchema(), undefined, 2));
    return Promise.resolve(0);
  },
};
