import type { Direction } from '../../filter/reasons.ts';

/**
 * An interface index as a number in a set. nft prints the index itself as the name of the device, and a saved listing
 * with the name of a device that is not there (yet) does not load, so a host would boot without any of its rules. A
 * hash of the index is just a number to it.
 *
 * The key of the set is the type of plain bits, which nft keeps in network byte order, and the hash is in that of the
 * host: all Xen hosts are little-endian.
 */
export const INDEX_HASH: Readonly<Record<Direction | 'type', string>> = {
  'from-guest': 'jhash iif mod 4294967295 seed 0x1',
  'to-guest': 'jhash oif mod 4294967295 seed 0x1',
  type: 'typeof @nh,0,32',
};

/** What stands for an interface index in a set of that type. */
export function indexHash(ifindex: number): string {
  return `0x${listedHash(ifindex).toString(16).padStart(8, '0')}`;
}

/** The same as nft lists it in JSON. */
export function listedHash(ifindex: number): number {
  // nft_hash.c: reciprocal_scale(hash, 2^32 - 1)
  const value = Math.max(0, jhash(ifindex, 1) - 1);
  const swapped = (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
  return swapped >>> 0;
}

/** Of 4 bytes: include/linux/jhash.h. */
function jhash(word: number, seed: number): number {
  let a = (0xdeadbeef + 4 + seed) | 0;
  let b = a;
  let c = a;
  a = (a + word) | 0;
  c = ((c ^ b) - rotated(b, 14)) | 0;
  a = ((a ^ c) - rotated(c, 11)) | 0;
  b = ((b ^ a) - rotated(a, 25)) | 0;
  c = ((c ^ b) - rotated(b, 16)) | 0;
  a = ((a ^ c) - rotated(c, 4)) | 0;
  b = ((b ^ a) - rotated(a, 14)) | 0;
  c = ((c ^ b) - rotated(b, 24)) | 0;
  return c >>> 0;
}

function rotated(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
