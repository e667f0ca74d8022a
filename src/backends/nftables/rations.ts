import { TIMED } from './flow-keys.ts';

/**
 * What one guest may have of what all guests share, as limits of its own: nft cannot count what a port has in a set,
 * but how often it puts something there can be limited. What it can have there is then at most what it may put there
 * in the time that one element lives (Little's law); test/backends/flow-shares.test.ts counts it.
 */
interface Ration {
  /** Tells the limits of a guest apart in one set. */
  readonly code: number;
  /** In a second. */
  readonly rate: number;
  readonly burst: number;
}

/** New conversations of one guest: a browser makes some dozens at once, a busy web server some hundreds in a second. */
export const NEW_LIMIT = { rate: 500, burst: 2000 } as const;

export const RATIONS = {
  long: { code: 1, rate: 2, burst: 8192 },
  brief: { code: 2, rate: 500, burst: 2000 },
  udp: { code: 3, rate: 500, burst: 2000 },
  'fragments-out': { code: 4, rate: 2000, burst: 4000 },
  'fragments-in': { code: 5, rate: 2000, burst: 4000 },
  /** SCTP, DCCP and UDP-Lite together. */
  rare: { code: 6, rate: 20, burst: 400 },
  // What filters of libvirt's have noted is beside what rules have allowed.
  'tracked-long': { code: 7, rate: 2, burst: 8192 },
  'tracked-brief': { code: 8, rate: 500, burst: 2000 },
  'tracked-udp': { code: 9, rate: 340, burst: 2000 },
  'tracked-echo': { code: 10, rate: 50, burst: 500 },
  /** SCTP, DCCP, UDP-Lite, and what has no ports. */
  'tracked-rare': { code: 11, rate: 20, burst: 400 },
  'tracked-pairs': { code: 12, rate: 300, burst: 4000 },
  'tracked-fragments-out': { code: 13, rate: 2000, burst: 4000 },
  'tracked-fragments-in': { code: 14, rate: 2000, burst: 4000 },
  // What others begin with it takes nothing from what it begins itself.
  'new-out': { code: 15, ...NEW_LIMIT },
  'new-in': { code: 16, ...NEW_LIMIT },
  'tracked-new-out': { code: 17, ...NEW_LIMIT },
  'tracked-new-in': { code: 18, ...NEW_LIMIT },
  /** Of what it begins, of what others begin with it, and of what lives on. */
  'pairs-out': { code: 19, rate: 300, burst: 4000 },
  'pairs-in': { code: 20, rate: 200, burst: 2000 },
  'pairs-used': { code: 21, rate: 100, burst: 2000 },
  /** Conversations without ports that are used. */
  other: { code: 22, rate: 20, burst: 400 },
} as const satisfies Readonly<Record<string, Ration>>;
export type RationName = keyof typeof RATIONS;

const RATIONS_SET = 'rations';

/** An element ends when its limit is full again, and not before: a new one is full at once. */
export function declareRations(): string {
  return `set ${RATIONS_SET} { type devgroup . mark; ${TIMED(131_072, '2h')}; }`;
}

/** "It has had more of it than it may"; or, turned round, "there is some left". */
export function ration(port: string, name: RationName, over: boolean): string {
  const { code, rate, burst } = RATIONS[name];
  const limit = `limit rate ${over ? 'over ' : ''}${rate}/second burst ${burst} packets`;
  return `update @${RATIONS_SET} { ${port} . 0x${code.toString(16).padStart(8, '0')} ${limit} }`;
}
