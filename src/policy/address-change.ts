import { type AddressList, distinctPrefixes, parseAddressList } from '../net/address-list.ts';
import { parseMac } from '../net/mac-address.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import type { LinkLocals } from './link-local-set.ts';
import { NONE, readBy, type ValueKind } from './value-kind.ts';

/** What the policy makes of the addresses of a vif. */
export interface AddressChange {
  /** `ip =`: those that Xen told count no more. */
  readonly instead: boolean;
  /** Addresses in every form that `ip=` of a vif may have. */
  readonly text: string;
}

/** Nothing is changed. */
export const AS_XEN_SAYS: AddressChange = { instead: false, text: '' };

/** Whose vif it is about is not known yet: any MAC shows whether `PREFIX::eui64` is one. */
const SOME_MAC = parseMac('02:00:00:00:00:01', 'the policy');

export const addressChange: ValueKind<AddressChange> = {
  possible: `addresses as in ip= of a vif: 192.0.2.10 198.51.100.0/28 2001:db8::10 2001:db8:1::eui64; or ${NONE}`,
  words: [],
  several: true,
  all: undefined,
  read(text) {
    // No address at all, which `no_ip` then decides about.
    if (text === NONE) return { value: { instead: true, text: '' } };
    return readBy(() => {
      const { ipv4, ipv6 } = parseAddressList(text, 'the policy file', SOME_MAC);
      return ipv4.length + ipv6.length > 0 ? { instead: true, text } : undefined;
    }, 'names no address');
  },
  write: ({ instead, text }) => (instead ? text || NONE : text === '' ? 'as Xen says' : `as Xen says, and ${text}`),
  add: (value, more) => ({
    instead: value.instead,
    text: [value.text, more.text].filter((one) => one !== '').join(' '),
  }),
};

/**
 * The vif with the addresses that the policy gives it.
 *
 * @throws Failure `input` if they are more than a list may hold
 */
export function withAddresses(
  vif: VifIdentity,
  { ip, link_local: local }: { readonly ip: AddressChange; readonly link_local?: LinkLocals },
): VifIdentity {
  const addresses = changed(vif, ip);
  // Who has no IPv6 gets none by them.
  if (local === undefined || local.given.length === 0 || addresses.ipv6.length === 0) return { ...vif, addresses };
  return { ...vif, addresses: { ...addresses, ipv6: distinctPrefixes([...addresses.ipv6, ...local.given]) } };
}

function changed({ addresses, mac }: VifIdentity, ip: AddressChange): AddressList {
  if (ip.text === '') return ip.instead ? parseAddressList('', 'the policy') : addresses;
  return parseAddressList(ip.instead ? ip.text : `${addresses.text} ${ip.text}`, 'ip of the policy', mac);
}
