import { type MacAddress, macText, parseMac } from './mac-address.ts';

/**
 * The MACs of virtual routers: who is the master of a group sends with it, and it moves to another station when the
 * master is gone.
 */
interface Family {
  /** The highest number of a group. */
  readonly most: number;
  /** All of it but the number, which is the end: hexadecimal digits. */
  readonly prefix: string;
}

const FAMILIES = {
  // RFC 5798 §7.3; CARP uses the first for both families (OpenBSD, carp(4)).
  vrrp: { most: 255, prefix: '00005e0001' },
  vrrp6: { most: 255, prefix: '00005e0002' },
  // RFC 2281 §5.3.
  hsrp: { most: 255, prefix: '00000c07ac' },
  // HSRP version 2: IPv4, IPv6 (Cisco, "Configuring HSRP").
  hsrp2: { most: 4095, prefix: '00000c9ff' },
  hsrp6: { most: 4095, prefix: '000573a00' },
} as const satisfies Readonly<Record<string, Family>>;

export type VirtualRouter = keyof typeof FAMILIES;

/** The MAC of a group; undefined if it can have no such number. */
export function virtualMac(family: VirtualRouter, group: number): MacAddress | undefined {
  const { most, prefix } = FAMILIES[family];
  if (group < 0 || group > most) return undefined;
  const digits = prefix + group.toString(16).padStart(12 - prefix.length, '0');
  return parseMac(macText(BigInt(`0x${digits}`)), 'a group');
}

/** True for one that moves between stations. */
export function isVirtualMac(mac: string): boolean {
  const digits = mac.replaceAll(':', '');
  return Object.values(FAMILIES).some(({ prefix }) => digits.startsWith(prefix));
}
