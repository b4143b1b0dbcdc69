import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { finding, type Finding } from './finding.js';

/** Whether this machine has the address, which nobody can say of another: none where it may be anything. */
export function addressFindings(
  flag: string,
  address: string,
  ours: readonly string[] = ourAddresses(),
): readonly Finding[] {
  const [bare = ''] = address.split('%');
  const isAny = bare === '0.0.0.0' || /^[0:]+$/.test(bare);
  const isLoopback = isIPv4(bare) && bare.startsWith('127.');
  if (isAny || isLoopback || ours.some((own) => isSame(own, bare))) return [];
  return [
    finding(
      'warning',
      'flag',
      flag,
      `no network interface of this machine has the address ${address}: a start here would fail`,
    ),
  ];
}

function ourAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((found) => found?.map(({ address }) => address) ?? []);
}

/** URLs know one spelling of an IPv6 address. */
function isSame(one: string, other: string): boolean {
  return canonical(one) === canonical(other);
}

function canonical(address: string): string {
  if (!address.includes(':')) return address;
  const url = `http://[${address}]/`;
  return URL.canParse(url) ? new URL(url).hostname : address;
}
