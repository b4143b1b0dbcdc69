// npm run docs: writes the generated pages of docs/ from the built flags and metrics.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { startTopics } from '../../dist/options/start-topics.js';
import { mergedExposition } from '../../dist/index.js';
import { flagPage } from './flag-table.mjs';
import { withExports } from './library-page.mjs';
import { metricsPage } from './metrics-page.mjs';

const telemetry = new URL('../../dist/telemetry/', import.meta.url);
const modules = readdirSync(telemetry, { recursive: true }).filter((file) => file.endsWith('.js'));
const loaded = await Promise.all(modules.map((file) => import(new URL(file, telemetry))));

const write = (page, text) => writeFileSync(new URL(`../../docs/${page}`, import.meta.url), text);
write('flags.md', flagPage(startTopics));
write('metrics.md', await metricsPage(Object.assign({ mergedExposition }, ...loaded)));
write('library.md', withExports(readFileSync(new URL('../../docs/library.md', import.meta.url), 'utf8')));
