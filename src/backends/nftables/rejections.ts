import type { Direction } from '../../filter/reasons.ts';
import { chain, FAMILIES, ICMP, type Ip, pairKey, quotedKey, RAW, TIMED } from './flow-keys.ts';
import { PORT } from './own.ts';
import { counterKey, dropChain } from './stages.ts';

/**
 * Telling a guest that a packet of its is dropped: RST to TCP, "administratively prohibited" to all else (RFC 1122
 * §3.2.2.1, RFC 4443 §3.1). The answer comes to the guest on the way that all frames to it go, with the addresses of
 * whom it wanted to reach; so that its own rules let it through, the pair is noted for as long as the answer takes.
 */

/**
 * Answers to one guest; what is beyond is dropped in silence. A host that scans sees no more of them anywhere: Linux
 * itself sends 1000 errors of ICMP a second to all (icmp_msgs_per_sec).
 */
export const REJECT_LIMIT = { rate: 100, burst: 200 } as const;
const LIMIT_SET = 'rejects';
/** A second of answers of 160 guests. The answer is made while the packet is dropped: it comes at once. */
const REJECTED = 16_384;

const rejectedSet = (family: Ip): string => `rejected-${family}`;
const noteChain = (family: Ip): string => `from-guest/rules-reject-${family}`;
const passChain = (family: Ip): string => `to-guest/rules-rejected-${family}`;

export function declareRejections(): string[] {
  return [
    '# Whom guests were just told that they may not reach.',
    ...FAMILIES.map((family) => {
      const [source, destination, protocol] = RAW[family];
      return `set ${rejectedSet(family)} { typeof iifgroup . ${source} . ${destination} . ${protocol}; ${TIMED(REJECTED, '1s')}; }`;
    }),
    `set ${LIMIT_SET} { type devgroup; size 65536; flags dynamic,timeout; timeout 1m; }`,
  ];
}

/** Groups, of which nobody is told that they cannot be reached (RFC 1122 §3.2.2, RFC 4443 §2.4). */
const GROUPS: Readonly<Record<Ip, string>> = { ip: 'ip daddr 224.0.0.0-255.255.255.255', ip6: 'ip6 daddr ff00::/8' };
/** Errors, and redirects: no error is about one. */
const NO_QUESTION: Readonly<Record<Ip, string>> = {
  ip: 'icmp type { 3, 4, 5, 11, 12 }',
  ip6: 'icmpv6 type { 0-127, 137 }',
};

/** What all programs share: what comes before an answer, and what lets it through. */
export function renderRejections(): string[] {
  const port = PORT['from-guest'];
  const silent = `goto ${dropChain('from-guest', 'rule')}`;
  const { rate, burst } = REJECT_LIMIT;
  return FAMILIES.flatMap((family) => [
    ...chain(noteChain(family), 'Whom no answer is for is dropped here; of all others the pair is noted.', [
      `${port} @observe ${silent}`,
      `${NO_QUESTION[family]} ${silent}`,
      `${GROUPS[family]} ${silent}`,
      `update @${LIMIT_SET} { ${port} limit rate over ${rate}/second burst ${burst} packets } ${silent}`,
      `add @drops { ${port} . ${counterKey('from-guest', 'rule')} }`,
      `update @${rejectedSet(family)} { ${pairKey('from-guest', family)} }`,
    ]),
    ...chain(passChain(family), 'The answer itself.', Object.values(answers(family))),
  ]);
}

/** "It is the answer that a rejected packet was given." */
export function answers(family: Ip): { readonly tcp: string; readonly other: string } {
  const prohibited = family === 'ip' ? 'type 3 icmp code 13' : 'type 1 icmpv6 code 1';
  return {
    tcp: `tcp flags & rst != 0 ${pairKey('to-guest', family)} @${rejectedSet(family)} accept`,
    other: `${ICMP[family].text} ${prohibited} ${quotedKey('to-guest', family)} @${rejectedSet(family)} accept`,
  };
}

/** In front of what drops a frame to a guest, unless it was asked before. */
export function unlessAnswer(side: Direction): string[] {
  return side === 'from-guest' ? [] : FAMILIES.map((family) => `meta protocol ${family} jump ${passChain(family)}`);
}

/** The rules of a chain that a program has of its own, because not every kernel takes them. */
export function rejectRules(): string[] {
  return [
    ...FAMILIES.map((family) => `meta protocol ${family} jump ${noteChain(family)}`),
    'meta l4proto tcp reject with tcp reset',
    'reject with icmpx type admin-prohibited',
  ];
}
