import { Failure } from '../errors.ts';
import { distinctPrefixes, parseAddressList } from '../net/address-list.ts';
import { contains, type IpPrefix, LINK_LOCAL } from '../net/ip-prefix.ts';
import { NONE, readBy, type ValueKind } from './value-kind.ts';

/** The link-local IPv6 addresses of a guest that has IPv6. */
export interface LinkLocals {
  /** The one that follows from each of its MACs (RFC 4291 appendix A). */
  readonly made: boolean;
  /** Besides: addresses, or blocks of them. */
  readonly given: readonly IpPrefix[];
}

export const MADE_OF_MAC: LinkLocals = { made: true, given: [] };

const MADE = 'eui64';
const ANY = 'any';
/** RFC 4291 §2.5.6: what hosts draw for themselves begins so (RFC 7217, RFC 8981). */
const ALL = 'fe80::/64';
const AT = 'the policy file';

export const linkLocalSet: ValueKind<LinkLocals> = {
  possible: `${MADE} (it follows from the MAC), ${ANY} (all of ${ALL}), ${NONE}, or addresses: ${MADE} fe80::5`,
  words: [],
  several: true,
  all: undefined,
  read(text) {
    const words = text.split(/[\s,;]+/).filter((word) => word !== '');
    if (text === NONE) return { value: { made: false, given: [] } };
    if (words.length > 1 && words.includes(NONE)) return { wrong: [{ what: 'is none or something', meant: NONE }] };
    return readBy(() => {
      const given = words.filter((word) => word !== MADE).map((word) => (word === ANY ? ALL : word));
      const value = { made: words.includes(MADE), given: parseLinkLocals(given.join(' ')) };
      return value.made || value.given.length > 0 ? value : undefined;
    }, 'names no address');
  },
  write({ made, given }) {
    const words = [...(made ? [MADE] : []), ...given.map(({ text }) => (text === ALL ? ANY : text))];
    return words.join(' ') || NONE;
  },
  add: (value, more) => ({
    made: value.made || more.made,
    given: distinctPrefixes([...value.given, ...more.given]),
  }),
};

function parseLinkLocals(text: string): readonly IpPrefix[] {
  const { ipv4, ipv6 } = parseAddressList(text, AT);
  const other = [...ipv4, ...ipv6].find((prefix) => !contains(LINK_LOCAL, prefix));
  if (other === undefined) return ipv6;
  throw new Failure('input', `${other.text} is not in ${LINK_LOCAL.text}`, {
    at: AT,
    hint: 'other addresses belong into ip',
  });
}
