import { isIP } from 'node:net';
import type { Request } from './middleware.js';
import { headerLine } from './raw-header.js';

const maxIps = 16;
/** Longer than so many addresses could be; each part costs a little. */
const maxForwardedLength = 1024;

/**
 * Where a request comes from, as kube-apiserver logs it: the addresses of `X-Forwarded-For`, `X-Real-Ip`, and the
 * peer's own at the end. Of headers only what a front proxy says is believed; `isBelieved` is asked where there are any.
 */
export function sourceIpsOf(request: Request, isBelieved: () => boolean): readonly string[] {
  const peer = addressIn(request.socket.remoteAddress ?? '');
  const forwardedFor = headerLine(request.rawHeaders, 'x-forwarded-for');
  const realIp = headerLine(request.rawHeaders, 'x-real-ip');
  if ((forwardedFor === undefined && realIp === undefined) || !isBelieved()) {
    return peer === undefined ? [] : [peer];
  }
  // The last of them are nearest to us, and known best.
  const ips = (forwardedFor ?? '')
    .slice(-maxForwardedLength)
    .split(',')
    .map(addressIn)
    .filter((ip) => ip !== undefined);
  const real = addressIn(realIp ?? '');
  if (real !== undefined && !ips.includes(real)) ips.push(real);
  if (peer !== undefined && ips.at(-1) !== peer) ips.push(peer);
  return ips.slice(-maxIps);
}

/** IPv4 in its own form, and no zone, as Go writes them. */
function addressIn(text: string): string | undefined {
  const [address = ''] = text
    .trim()
    .toLowerCase()
    .replace(/^::ffff:(?=\d+\.)/, '')
    .split('%', 1);
  return isIP(address) === 0 ? undefined : address;
}
