const mappedIpv4 = /^::ffff:(?=\d+\.)/i;
const groupsOfAddress = 8;
const groupsOfNetwork = 4;

/**
 * Whose an address is, of a socket's peer: of IPv4 the address itself, also where IPv6 carries it; of IPv6 its /64, any
 * address of which one host may take. Never of a header.
 */
export function addressKey(address: string): string {
  const unmapped = address.replace(mappedIpv4, '');
  if (!unmapped.includes(':')) return unmapped;
  const [plain = '', zone] = unmapped.split('%', 2);
  const [head = '', tail] = plain.split('::', 2);
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const gap = Math.max(0, groupsOfAddress - before.length - after.length);
  const groups = [...before, ...Array.from({ length: gap }, () => '0'), ...after];
  const network = groups
    .slice(0, groupsOfNetwork)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''));
  return `${network.join(':')}::/64${zone === undefined ? '' : `%${zone}`}`;
}

/** An IPv4 address at the end stands for two. */
function groupsOf(text: string): readonly string[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => (group.includes('.') ? [group, group] : [group]));
}
