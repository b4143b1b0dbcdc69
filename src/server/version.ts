import type { Middleware } from '../request/middleware.js';
import { requestState } from '../request/request-state.js';
import { sendText } from '../request/answer/status.js';
import { packageVersion } from '../package-version.js';

const [major = '', minor = ''] = packageVersion.split('.');
const info = {
  major,
  minor,
  gitVersion: `v${packageVersion}`,
  platform: `${process.platform}/${process.arch}`,
};

/** `/version`, with the fields of Kubernetes' that a Node program has; passes every other path on. */
export const version: Middleware = (request, response, next) => {
  const { classification } = requestState(request);
  if (classification?.kind !== 'other' || classification.path !== '/version') {
    next();
    return;
  }
  sendText(request, response, 200, `${JSON.stringify(info, null, 2)}\n`, {
    'Content-Type': 'application/json',
  });
};
