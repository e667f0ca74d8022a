import type { Device } from '../effects/sysfs.ts';

/**
 * The interface group (ip-link(8)) of a port we configure: a number of its own, made of its interface index.
 *
 * The filter knows ports by it. Like the index it belongs to one device and one boot: a new device is in group 0, so it
 * never inherits; a rename changes nothing; a late `offline` of an old device cannot disarm a new one. Unlike the
 * index, nft takes it as a plain number: for a key that is an interface it lists all devices of the host first
 * (measured with 4000 devices: 41 ms of CPU time instead of 3).
 */
export const FIRST_GUEST_GROUP = 0x40000000;
/** The bits that tell whether a group is ours: a comparison of a masked number is the cheapest the kernel has. */
export const GUEST_GROUP_MASK = 0xc0000000;

/** @param ifindex undefined in a dry run for a device that is not there yet: the number to which its index is added */
export function guestGroup(ifindex: number | undefined): number {
  return FIRST_GUEST_GROUP + (ifindex ?? 0);
}

/** The inverse; undefined for a group that is none of ours. */
export function indexOfGroup(group: number): number | undefined {
  return group > FIRST_GUEST_GROUP && group < 2 * FIRST_GUEST_GROUP ? group - FIRST_GUEST_GROUP : undefined;
}

/**
 * True for a port that a run of ours has put into service: no other program gives it this group, a new device has none,
 * and one that is off its bridge is out of service.
 */
export function isInOurService({ group, ifindex, master }: Device): boolean {
  return group === guestGroup(ifindex) && master !== undefined;
}

/** The same of a vif that this host routes for. */
export function isInRoutedService({ group, ifindex, master, up }: Device): boolean {
  return group === guestGroup(ifindex) && master === undefined && up;
}
