// npm run docs: writes the flags of `start`, as they were built, into the README's table.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { startTopics } from '../../dist/options/start-topics.js';
import { withFlagTable } from './flag-table.mjs';

const file = fileURLToPath(new URL('../../README.md', import.meta.url));
const text = withFlagTable(readFileSync(file, 'utf8'), startTopics);
writeFileSync(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
