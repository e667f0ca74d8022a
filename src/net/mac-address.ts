import { Failure, shown } from '../errors.ts';

declare const brand: unique symbol;
/** An Ethernet address of one station, lower case with colons: `00:16:3e:00:00:01`. */
export type MacAddress = string & { readonly [brand]: 'MacAddress' };

/** The address that netback gives the dom0 side of every vif (drivers/net/xen-netback: xenvif_alloc). */
export const DOM0_SIDE_MAC = 'fe:ff:ff:ff:ff:ff' as MacAddress;

const HINT = 'write six hexadecimal numbers, like 00:16:3e:12:34:56';

/**
 * Reads a MAC address: any case, one or two digits, `:` or `-` between them (xl, xend and XAPI write all of these).
 * Refuses group addresses (a station never has one: IEEE 802, I/G bit), all zeros, and dom0's own side.
 *
 * @param at where the text comes from, for the error
 */
export function parseMac(text: string, at: string): MacAddress {
  const parts = /^[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}$/i.test(text) ? text.split(/[:-]/) : [];
  if (parts.length !== 6) {
    throw new Failure('input', `${shown(text)} is not a MAC address`, { at, hint: HINT });
  }
  const mac = parts.map((part) => part.toLowerCase().padStart(2, '0')).join(':');
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1) {
    throw new Failure('input', `${mac} is a group address, not the address of one guest`, { at, hint: HINT });
  }
  if (mac === '00:00:00:00:00:00') {
    throw new Failure('input', `${mac} is no usable MAC address`, { at, hint: HINT });
  }
  if (mac === DOM0_SIDE_MAC) {
    throw new Failure('input', `${mac} is the address of dom0's side of every vif`, { at, hint: HINT });
  }
  return mac as MacAddress;
}

/** 48 bits as an address is written. */
export function macText(value: bigint | number): string {
  return (value.toString(16).padStart(12, '0').match(/../g) ?? []).join(':');
}

/** The address as 6 bytes, as it stands in a frame. */
export function macBytes(mac: MacAddress): [number, number, number, number, number, number] {
  return mac.split(':').map((part) => Number.parseInt(part, 16)) as ReturnType<typeof macBytes>;
}

/**
 * The link-local address a guest derives from its MAC (RFC 4291 appendix A, modified EUI-64), as 16 bytes.
 */
export function eui64LinkLocal(mac: MacAddress): Uint8Array {
  const [a, b, c, d, e, f] = macBytes(mac);
  return Uint8Array.from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
}
