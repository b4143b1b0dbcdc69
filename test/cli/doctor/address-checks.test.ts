import { describe, expect, it } from 'vitest';
import { addressFindings } from '../../../src/cli/doctor/doctor.js';

const ours = ['127.0.0.1', '::1', '10.0.0.7', 'fe80::a', '2001:db8::1'];

describe('the address to listen on', () => {
  it.each(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '127.0.0.1', '127.0.0.53', '10.0.0.7', '::1', 'fe80::a%eth0'])(
    '%s is this machine',
    (address) => {
      expect(addressFindings(address, ours)).toEqual([]);
    },
  );

  it.each([
    ['2001:DB8:0::1', 0],
    ['10.0.0.8', 1],
    ['2001:db8::2', 1],
    ['192.0.2.1', 1],
  ])('%s: %i warning', (address, count) => {
    expect(addressFindings(address, ours)).toHaveLength(count);
  });

  it('is looked for among the interfaces of this machine', () => {
    expect(addressFindings('127.0.0.1')).toEqual([]);
    expect(addressFindings('192.0.2.1')).toEqual([
      {
        level: 'warning',
        check: 'flag',
        subject: '--bind-address',
        message: 'no network interface of this machine has the address 192.0.2.1: a start here would fail',
      },
    ]);
  });
});
