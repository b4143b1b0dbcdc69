import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressKey } from '../../../src/request/limits/request-buckets.js';

describe('whose an address is', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64%eth0'],
    ['', ''],
  ])('%s: %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });

  it('is the same within a /64, and another outside of it', () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
    const groups = fc.array(group, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(groups, groups, groups, groups, (network, host, otherNetwork, otherHost) => {
        const key = addressKey([...network, ...host].join(':'));
        expect(addressKey([...network, ...otherHost].join(':'))).toBe(key);
        const isSame = network.join(':') === otherNetwork.join(':');
        expect(addressKey([...otherNetwork, ...host].join(':')) === key).toBe(isSame);
      }),
    );
  });

  it('is found for whatever text there is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
        expect(addressKey(text).length).toBeLessThan(text.length + 32);
      }),
    );
  });
});
