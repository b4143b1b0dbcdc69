import type * as X509 from '@peculiar/x509';
import { createRequire } from 'node:module';

let loaded: typeof X509 | undefined;

/**
 * `@peculiar/x509`, loaded when the first certificate is judged or made: it is large, and most users of the library
 * have nothing to do with certificates. Synchronous, so that what cannot be loaded throws where a verifier is made.
 */
export function x509(): typeof X509 {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url);
    // It needs the Reflect polyfill.
    require('reflect-metadata');
    loaded = require('@peculiar/x509') as typeof X509;
  }
  return loaded;
}
