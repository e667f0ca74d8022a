/**
 * How often a guest may send what others have to look at: one at a time each is right, and a flood of them wears down
 * every host of the segment. So many at once (`burst`) and so many per second (`rate`) of each kind, for each port.
 *
 * Only frames that would pass are counted as far as the stages allow that: what is forged is dropped anyway. TCP and
 * UDP between stations never come to any of these questions.
 */
export interface FrameLimit {
  readonly rate: number;
  readonly burst: number;
}

/** The kinds of frames, each with a limit, a key (`limit_arp`) and a reason (`limit-arp`) of its own. */
export const LIMIT_KINDS = ['arp', 'broadcast', 'multicast', 'dhcp', 'nd', 'igmp'] as const;
export type LimitKind = (typeof LIMIT_KINDS)[number];

/** Kinds that are not limited are not there. */
export type FrameLimits = Readonly<Partial<Record<LimitKind, FrameLimit>>>;

/** The name of a kind in the policy. */
export type LimitKey = `limit_${LimitKind}`;

export function limitKey<const Kind extends LimitKind>(kind: Kind): `limit_${Kind}` {
  return `limit_${kind}`;
}

/** What both backends can count: ebtables takes neither a rate nor a burst above it (libebt_limit). */
export const MOST_FRAMES = 10_000;

/**
 * What holds where no policy says anything. It must not touch a guest that does its work: these are several times what
 * one was seen to need.
 */
export const DEFAULT_LIMITS: Readonly<Record<LimitKind, FrameLimit | 'off'>> = {
  // A scan of a /22 by arp-scan (500 a second, as its default bandwidth of 256 kbit/s allows) is 1022 questions in two
  // seconds. Linux itself asks for each neighbour three times, a second apart (arp(7), mcast_solicit).
  arp: { rate: 200, burst: 1000 },
  // The same scan.
  nd: { rate: 200, burst: 1000 },
  // NetBIOS, discovery, Wake-on-LAN: a few a second.
  broadcast: { rate: 500, burst: 2000 },
  // One stream of video is 1000 frames a second and more, and a bridge that snoops sends it only where it is wanted.
  multicast: 'off',
  // A client sends its first four within a minute, longer and longer apart (RFC 2131 §4.1); 50 are ten that restart.
  dhcp: { rate: 10, burst: 50 },
  // A port may have 64 groups (wished-port.ts). At boot each is reported twice (RFC 3376 §8.11, RFC 3810 §9.14.1),
  // and left once.
  igmp: { rate: 50, burst: 200 },
};
