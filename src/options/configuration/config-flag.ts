import type { Flag } from '../flags.js';

/** Of every command that takes flags of `start`. */
export const configFlag: Flag = {
  name: '--config',
  value: 'file',
  description:
    'YAML or JSON file of the flags of start, a field each; a flag that is given here wins over its field; read once, not reloaded',
};
