// npm run docs: writes docs/flags.md from the flags of `start`, as they were built.
import { writeFileSync } from 'node:fs';
import { startTopics } from '../../dist/options/start-topics.js';
import { flagPage } from './flag-table.mjs';

writeFileSync(new URL('../../docs/flags.md', import.meta.url), flagPage(startTopics));
