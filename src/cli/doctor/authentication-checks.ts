import { finding, type Finding } from './finding.js';
import type { Callers } from './subject-match.js';

/** Whether callers can say who they are; `methods` are the flags that are given for it. */
export function authenticationFinding(methods: readonly string[], { anonymous }: Callers): Finding {
  if (methods.length > 0) {
    const others = anonymous ? 'is anonymous' : 'is refused with 401';
    return finding(
      'ok',
      'authentication',
      methods.join(', '),
      `who sends a request can be told; whoever has no credentials ${others}`,
    );
  }
  const advice = 'configure --client-ca-file, --token-auth-file or --requestheader-client-ca-file';
  return anonymous
    ? finding('warning', 'authentication', 'no method', `everybody is anonymous: ${advice}`)
    : finding(
        'error',
        'authentication',
        'no method',
        `nobody can say who he is, and --anonymous-auth=false refuses all others with 401: ${advice}`,
      );
}
