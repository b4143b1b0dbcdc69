// Run by ManifestThread: reads manifests, one after the other, off the event loop of those who decide by them.
import { parentPort } from 'node:worker_threads';
import { partsOf, type ManifestBytes } from './manifest-parts.js';

let parts: Iterator<unknown> | undefined;

parentPort?.on('message', (asked: ManifestBytes | 'more') => {
  if (asked !== 'more') parts = partsOf(asked);
  parentPort?.postMessage(parts?.next().value);
});
