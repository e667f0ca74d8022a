import { LISTING_BYTES } from '../../effects/exec.ts';
import { asFailure, failureLine } from '../../errors.ts';
import type { Host } from '../../host.ts';
import { guestGroup, indexOfGroup } from '../../port/guest-group.ts';
import type { LearnedAddress } from '../../state/learned.ts';
import type { PlannedPort } from '../backend.ts';
import { TABLE } from './base-text.ts';
import { type ListedSets, partsOf, readListing, setsOf } from './counters.ts';
import { addressHex } from './fields.ts';
import { includedRules } from './included.ts';
import { someLearn } from './learning.ts';
import { LEARNING } from './own.ts';

/**
 * What was learned goes with the kernel's rules, and a guest whose address is gone is silent until it renews. So each
 * run that changes rules, and each `status`, saves what it finds there; who makes the rules anew puts it in again.
 */

const LIST_LEARNED = ['-j', 'list', 'set', ...TABLE.split(' '), LEARNING.learned] as const;

/** The set as nft lists it: a port and an address as numbers, and the seconds that are left. */
export function parseLearned(sets: ListedSets, now: number): LearnedAddress[] {
  return (sets.get(LEARNING.learned) ?? []).flatMap((element): LearnedAddress[] => {
    const {
      parts: [group, address],
      elem,
    } = partsOf(element);
    const ifindex = indexOfGroup(Number(group));
    const bits = Number(address);
    if (ifindex === undefined || !Number.isInteger(bits) || bits < 1 || bits > 0xffffffff) return [];
    const text = [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
    return [{ ifindex, address: text, until: now + 1000 * (elem?.expires ?? 0) }];
  });
}

/** Puts what is in the kernel into the state. @returns undefined where there is no such set */
export async function saveLearned(host: Host): Promise<readonly LearnedAddress[] | undefined> {
  if (!someLearn(host.policy) && host.state.readLearned().length === 0) return undefined;
  const result = await host.run('nft', LIST_LEARNED, { mostBytes: LISTING_BYTES });
  if (result.status !== 0) return undefined;
  const learned = parseLearned(setsOf(readListing(result.stdout)), Date.parse(host.now()));
  keepLearned(host, learned);
  return learned;
}

/** A host that cannot write its state learns all the same. */
export function keepLearned(
  host: Pick<Host, 'state' | 'log' | 'now' | 'policy'>,
  learned: readonly LearnedAddress[],
): void {
  try {
    host.state.writeLearned(learned);
    includedRules(host).learned(learned.map((one) => learnedLine(one, host)).join('\n'));
  } catch (error) {
    host.log.say('debug', `what was learned is not saved: ${failureLine(asFailure(error))}`);
  }
}

/** What is to be in a table that is made anew, for ports that are in it and learn. */
export function learnedLines(host: Pick<Host, 'state' | 'now' | 'policy'>, ports: readonly PlannedPort[]): string[] {
  const learning = new Set(
    ports.flatMap(({ port, plan }) => (plan.terms.flags.includes('learns') ? [port.ifindex] : [])),
  );
  return host.state
    .readLearned()
    .filter((one) => learning.has(one.ifindex) && secondsOf(one, host) > 0)
    .map((one) => learnedLine(one, host));
}

function secondsOf({ until }: LearnedAddress, host: Pick<Host, 'now'>): number {
  return Math.floor((until - Date.parse(host.now())) / 1000);
}

function learnedLine(one: LearnedAddress, host: Pick<Host, 'now' | 'policy'>): string {
  const seconds = Math.max(1, secondsOf(one, host));
  // As it was: one that is renewed may have more left than its whole else (flow-keys.ts: note).
  const whole = Math.max(seconds, host.policy.learn_timeout);
  return `add element ${TABLE} ${LEARNING.learned} { ${keyOfLearned(one)} timeout ${whole}s expires ${seconds}s }`;
}

/** Text that takes out what ports have learned: first added, so that nothing need be there. */
export function forgetLearned(learned: readonly LearnedAddress[]): string {
  return learned
    .map(keyOfLearned)
    .flatMap((key) => [
      `add element ${TABLE} ${LEARNING.learned} { ${key} }`,
      `delete element ${TABLE} ${LEARNING.learned} { ${key} }`,
    ])
    .join('\n');
}

/** nft 1.0.6 takes plain bits as hexadecimal numbers only (measured). */
function keyOfLearned({ ifindex, address }: Pick<LearnedAddress, 'ifindex' | 'address'>): string {
  return `${guestGroup(ifindex)} . 0x${addressHex(address)}`;
}
