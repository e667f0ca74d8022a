/** What must not compile: `npm run check` is the test. */
import type { SpecialTest } from '../../src/backends/ebtables/fields.ts';
import { drop, go, type Match, type Outcome, PERMITTED, type Switch } from '../../src/filter/stage.ts';
import type { StageName } from '../../src/filter/stages.ts';
import { ARP_FORM } from '../../src/filter/wire.ts';

export const MATCHES: readonly Match[] = [
  { field: 'ether saddr', is: '00:16:3e:00:00:01' },
  // @ts-expect-error a MAC address is no number
  { field: 'ether saddr', is: 7 },
  // @ts-expect-error nor an IPv4 address
  { field: 'ether saddr', is: '192.0.2.1' },
  // @ts-expect-error an address is text
  { field: 'ip saddr', is: 0 },
  // @ts-expect-error of its own family
  { field: 'ip saddr', is: '2001:db8::1' },
  // @ts-expect-error also under a mask
  { field: 'ip6 daddr', masked: ['255.0.0.0', '10.0.0.0'] },
  // @ts-expect-error a block has a length
  { field: 'ip daddr', block: '224.0.0.0' },
  // @ts-expect-error a number is no text
  { field: 'ip protocol', is: '17' },
  // @ts-expect-error ports are in no block
  { field: 'udp dport', block: '67/16' },
  // @ts-expect-error ARP has one form
  { field: 'arp form', isNot: 0x000106000604 },
  // @ts-expect-error an IPv4 address is never an own IPv6 address
  { field: 'ip saddr', own: 'ip6' },
  // @ts-expect-error a vif owns no ports
  { field: 'udp dport', own: 'ip' },
  // @ts-expect-error only MAC addresses are asked so
  { field: 'ip saddr', notOwn: 'mac' },
  // @ts-expect-error no such field
  { field: 'ip ttl', is: 1 },
];

export const SWITCHES: readonly Switch[] = [
  // @ts-expect-error a switch decides between numbers
  { switch: 'ip saddr', cases: [] },
  // @ts-expect-error without a value nothing could take the case
  { switch: 'udp dport', cases: [{ values: [], so: PERMITTED }] },
];

export const SPECIAL: readonly SpecialTest<'arp form'>[] = [
  { of: { isNot: ARP_FORM }, any: [] },
  // @ts-expect-error the form of RARP, for ARP
  { of: { is: 0x0001080006040003 }, any: [] },
];

export const OUTCOMES: readonly Outcome<StageName>[] = [
  go('ip/own'),
  // @ts-expect-error no such stage
  go('ip/owm'),
  // @ts-expect-error no such reason
  drop('ip-sorce'),
];
