import { Failure } from '../errors.ts';
import { type IpPrefix, isHost } from '../net/ip-prefix.ts';

/** `learn` of the policy: whether a vif may have addresses that nobody wrote down. */
export type LearnChoice = 'off' | 'dhcp';

/** What of a vif's policy is about learning; off, if it does not say. */
export interface LearnPolicy {
  readonly learn?: LearnChoice;
  readonly dhcp_servers?: readonly IpPrefix[];
  readonly learn_max?: number;
}

/** What a vif that learns needs in the kernel. */
export interface Learning {
  /** Whose answers count; of any station that is no guest, if it names none. */
  readonly servers: readonly string[];
  /** So many addresses at once, and so many new ones a day. */
  readonly most: number;
}

/** Undefined for a vif that learns nothing. */
export function learningOf(policy: LearnPolicy): Learning | undefined {
  if (policy.learn !== 'dhcp') return undefined;
  return { servers: (policy.dhcp_servers ?? []).map(serverText), most: policy.learn_max ?? DEFAULT_LEARN_MAX };
}

/** A guest has one; a few more are containers and aliases, each with a lease of its own. */
export const DEFAULT_LEARN_MAX = 8;

/** The longest lease that DHCP servers usually give, in seconds: what is not renewed by then has ended. */
export const DEFAULT_LEARN_SECONDS = 24 * 60 * 60;

function serverText(prefix: IpPrefix): string {
  if (isHost(prefix) && prefix.bytes.length === 4) return prefix.text;
  throw new Failure('input', `${prefix.text} is not the IPv4 address of one server`, {
    at: 'dhcp_servers of the policy',
  });
}
