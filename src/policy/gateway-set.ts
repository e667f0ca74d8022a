import { Failure } from '../errors.ts';
import { type Gateways, NO_GATEWAYS } from '../filter/gateways.ts';
import { parseAddressList } from '../net/address-list.ts';
import { isHost } from '../net/ip-prefix.ts';
import { parseMac } from '../net/mac-address.ts';
import { NONE, readBy, type ValueKind, wordsOf } from './value-kind.ts';

const AT = 'the policy file';
const MAC = /^[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}$/i;
/** More is no list of gateways. */
const MOST = 16;

/** The stations that a vif may speak with: MACs, and the addresses that it may ask for. */
export const gatewaySet: ValueKind<Gateways> = {
  possible: `MAC addresses of routers, and their addresses: 192.0.2.1 2001:db8::1 00:00:5e:00:01:01; or ${NONE}`,
  words: [],
  several: true,
  all: undefined,
  read(text) {
    if (text === NONE) return { value: NO_GATEWAYS };
    return readBy(() => parseGateways(wordsOf(text)), 'names no gateway');
  },
  write: ({ macs, addresses }) => [...addresses.map(({ text }) => text), ...macs].join(' ') || NONE,
  add: (value, more) => ({
    macs: [...new Set([...value.macs, ...more.macs])],
    addresses: [...new Map([...value.addresses, ...more.addresses].map((one) => [one.text, one])).values()],
  }),
};

/** @throws Failure `input` */
function parseGateways(words: readonly string[]): Gateways | undefined {
  if (words.length === 0) return undefined;
  if (words.length > MOST)
    throw new Failure('input', `${words.length} gateways are too many`, { at: AT, hint: `at most ${MOST}` });
  const macs = words.filter((word) => MAC.test(word)).map((word) => parseMac(word, AT));
  const { ipv4, ipv6 } = parseAddressList(words.filter((word) => !MAC.test(word)).join(' '), AT);
  const addresses = [...ipv4, ...ipv6];
  const block = addresses.find((one) => !isHost(one));
  if (block !== undefined) {
    throw new Failure('input', `${block.text} is no single address`, { at: AT, hint: 'name each gateway' });
  }
  return { macs: [...new Set(macs)], addresses };
}
