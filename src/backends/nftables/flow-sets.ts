import { FAMILIES, type Ip, TIMED, typeOf, WITH_PORTS, type WithPorts } from './flow-keys.ts';
import { BEGINNING, declareTimes, timeSets } from './flow-times.ts';

/** The sets of conversations that rules have allowed, what each can hold, and for how long. */

/** Of two ends, for errors, and of what has no ports. */
const PAIR_TIME = '3m';
/** What is left of a TCP conversation behind FIN or RST; one that is half closed lives on as long as it is used. */
export const CLOSING = '2m';
/** The others come with the first one, and a guest can make many. */
const FRAGMENT_TIME = '5s';
/**
 * How many conversations there can be. One takes about 200 bytes of kernel memory, and a set of this size 8 bytes for
 * each of four thirds of them from the start, rounded up to a power of two (lib/rhashtable.c: nelem_hint): 48 MB in
 * all, so the sets exist only while the policy has rules. Each is at least 1.4 times as large as what one guest can
 * have in it (test/backends/flow-shares.test.ts).
 */
const FLOWS = { tcp: 393_216, udp: 262_144, sctp: 65_536, dccp: 65_536, udplite: 65_536 } as const;
/**
 * Those of TCP that have ended. Without a table of their own each would stand for an hour among the others, and a web
 * server of 73 conversations a second would fill that.
 */
const CLOSED = 131_072;
const PAIRS = 196_608;
const ECHOES = 65_536;
const FRAGMENTED = 65_536;
const LIMITED = 16_384;

export const flowSet = (family: Ip, protocol: WithPorts): string => `flows-${protocol}-${family}`;
export const echoSet = (family: Ip): string => `flows-echo-${family}`;
export const closingSet = (family: Ip): string => `flows-closing-${family}`;
export const pairSet = (family: Ip): string => `flows-pair-${family}`;
export const fragmentSet = (family: Ip): string => `flows-fragment-${family}`;
/** Ports to which more came lately than could be noted. */
export const FLOODED = 'flooded';
/** What guests have used up of the limits of their rules. */
export const RULE_LIMITS = 'rule-limits';

/** The sets of conversations, with how many each can hold: for `status`. */
export const FLOW_SETS: readonly {
  readonly name: string;
  readonly size: number;
  /** Knows more of conversations that are in another one. */
  readonly more?: true;
}[] = FAMILIES.flatMap((family) => [
  ...WITH_PORTS.map((protocol) => ({ name: flowSet(family, protocol), size: FLOWS[protocol] })),
  { name: closingSet(family), size: CLOSED },
  { name: pairSet(family), size: PAIRS },
  { name: echoSet(family), size: ECHOES },
  { name: fragmentSet(family), size: FRAGMENTED },
  ...timeSets(family),
]);

/**
 * nft 1.0.6 aborts when it lists two elements of six parts, or of five with `ip protocol` (mergesort.c): a set for each
 * protocol keeps them short.
 */
export function declareFlows(): string[] {
  return [
    '# What the rules of guests have allowed: conversations, as the guest sees them.',
    ...FAMILIES.flatMap((family) => {
      const ports = typeOf('ports', family);
      return [
        ...WITH_PORTS.map((one) => `set ${flowSet(family, one)} { ${ports}; ${TIMED(FLOWS[one], BEGINNING)}; }`),
        `set ${closingSet(family)} { ${ports}; ${TIMED(CLOSED, CLOSING)}; }`,
        `set ${echoSet(family)} { ${typeOf('echo', family)}; ${TIMED(ECHOES, BEGINNING)}; }`,
        `set ${pairSet(family)} { ${typeOf('other', family)}; ${TIMED(PAIRS, PAIR_TIME)}; }`,
        `set ${fragmentSet(family)} { ${typeOf('fragment', family)}; ${TIMED(FRAGMENTED, FRAGMENT_TIME)}; }`,
        ...declareTimes(family),
      ];
    }),
    `set ${RULE_LIMITS} { type devgroup . mark; ${TIMED(LIMITED, '5m')}; }`,
    `set ${FLOODED} { type devgroup; ${TIMED(16_384, BEGINNING)}; }`,
  ];
}
