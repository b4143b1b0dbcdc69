import { packageVersion } from '../package-version.js';

/** `kcp-metrics-filter/<version of this package>` */
export const userAgent = `kcp-metrics-filter/${packageVersion}`;
