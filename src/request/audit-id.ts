import { isBehindFrontProxy, type FrontProxyCheck } from './front-proxy.js';
import type { Middleware } from './middleware.js';
import { headerLine } from './raw-header.js';
import { requestState } from './request-state.js';

/** As long as a UUID and a prefix; kube-apiserver takes any. */
const valid = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

/**
 * Stands before all other steps: a request keeps the `Audit-Id` that a front proxy gave it, so that both logs name it
 * alike. From anybody else the header means nothing: he could make his requests look like another's.
 */
export function adoptAuditId(isFrontProxy: FrontProxyCheck): Middleware {
  return (request, _response, next) => {
    const auditId = headerLine(request.rawHeaders, 'audit-id');
    if (auditId !== undefined && valid.test(auditId) && isBehindFrontProxy(request, isFrontProxy)) {
      requestState(request).auditId = auditId;
    }
    next();
  };
}
