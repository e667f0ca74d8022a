import { parseAddressList } from '../net/address-list.ts';
import type { IpPrefix } from '../net/ip-prefix.ts';
import { NONE, readBy, type ValueKind } from './value-kind.ts';

/** Addresses and blocks of them, each in every form that `ip=` of a vif may have. */
export const addressSet: ValueKind<readonly IpPrefix[]> = {
  possible: `addresses as in ip= of a vif: 192.0.2.10 198.51.100.0/28 2001:db8::10; or ${NONE}`,
  words: [],
  several: true,
  all: undefined,
  read(text) {
    if (text === NONE) return { value: [] };
    return readBy(() => {
      const { ipv4, ipv6 } = parseAddressList(text, 'the policy file');
      return ipv4.length + ipv6.length > 0 ? [...ipv4, ...ipv6] : undefined;
    }, 'names no address');
  },
  write: (value) => (value.length === 0 ? NONE : value.map(({ text }) => text).join(' ')),
  add: (value, more) => [...value, ...more],
};
