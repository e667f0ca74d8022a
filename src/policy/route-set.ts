import { Failure } from '../errors.ts';
import { distinctPrefixes, parseAddressList } from '../net/address-list.ts';
import { type IpPrefix, isHost, LINK_LOCAL, overlaps } from '../net/ip-prefix.ts';
import { NONE, readBy, type ValueKind } from './value-kind.ts';

const AT = 'the policy file';

/** Blocks of addresses that are behind a guest. */
export const routeSet: ValueKind<readonly IpPrefix[]> = {
  possible: `blocks of addresses: 198.51.100.0/28 2001:db8:1::/56; or ${NONE}`,
  words: [],
  several: true,
  all: undefined,
  read(text) {
    if (text === NONE) return { value: [] };
    return readBy(() => {
      const routes = parseRoutes(text);
      return routes.length > 0 ? routes : undefined;
    }, 'names no block');
  },
  write: (value) => (value.length === 0 ? NONE : value.map(({ text }) => text).join(' ')),
  add: (value, more) => distinctPrefixes([...value, ...more]),
};

/** What is read is kept disjoint: the kernel's sets of intervals hold no block that overlaps another one. */
function parseRoutes(text: string): readonly IpPrefix[] {
  if (text.split(/[\s,;'"]+/).some((word) => /\/0+$/.test(word))) {
    throw new Failure('input', 'a block of every address is no route', {
      at: AT,
      hint: 'a guest that forwards for anybody is allow = forwarding',
    });
  }
  const { ipv4, ipv6 } = parseAddressList(text, AT);
  for (const word of text.split(/[\s,;'"]+/).filter((one) => one.includes('/'))) {
    const { ipv4: four, ipv6: six, notes } = parseAddressList(word, AT);
    if ([...four, ...six].every(isHost) && notes.length > 0) throw new Failure('input', notes.join('; '), { at: AT });
  }
  const local = ipv6.find((prefix) => overlaps(prefix, LINK_LOCAL));
  if (local !== undefined) {
    throw new Failure('input', `${local.text} holds link-local addresses, which no router forwards`, { at: AT });
  }
  return [...ipv4, ...ipv6];
}
