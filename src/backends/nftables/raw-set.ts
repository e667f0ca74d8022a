import { errorOf, type Netlink, typeOf } from '../../effects/netlink.ts';
import { ATTRIBUTE_HEADER, attributesOf } from '../../port/netlink-request.ts';
import { ENOENT, NFTABLES_HEADER, nftablesRequest, nftablesType } from '../../port/nftables-request.ts';
import { TABLE } from './base-text.ts';

/**
 * Sets of our table as the kernel holds them, read without nft: that takes 10 µs for each element, to parse and to
 * print it, where the kernel takes less than one.
 *
 * linux/netfilter/nf_tables.h; how an element is laid out is in net/netfilter/nf_tables_api.c: nf_tables_fill_setelem.
 */
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_GETSETELEM = 13;
const NFPROTO_BRIDGE = 7;
const LIST = { table: 1, set: 2, elements: 3 } as const;
/** Attributes of an element. */
export const ELEMENT = { key: 1, data: 2, flags: 3, expiration: 5, expression: 7, keyEnd: 10 } as const;
const NFTA_LIST_ELEM = 1;
export const NFTA_DATA_VALUE = 1;
/** Bits of a type that say how the value is written (linux/netlink.h: NLA_TYPE_MASK). */
const TYPE_MASK = 0x3fff;

/** An element, with all the kernel says of it. */
export interface RawElement {
  readonly key: Uint8Array;
  readonly attributes: ReadonlyMap<number, Uint8Array>;
}

export interface RawSet {
  /** The first four bytes of each key, as a number of this host's byte order: a group, or a hash turned around. */
  readonly firsts: readonly number[];
  /** Those that were wanted, whole. */
  readonly elements: readonly RawElement[];
}

/**
 * Reads a set or a map, in one go for all elements: the kernel lists no part of one.
 *
 * @param isWanted by the first four bytes of a key
 * @returns `absent` if there is no such set, or no table; undefined if the kernel did not answer, or not as it is
 *   understood here: then nft is to be asked
 */
export async function rawSet(
  ask: Netlink,
  name: string,
  isWanted: (first: number) => boolean,
): Promise<RawSet | 'absent' | undefined> {
  const request = elementsRequest(name);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const answer = await ask('netfilter', request);
    if (answer === undefined) return undefined;
    const error = errorOf(answer);
    if (error === ENOENT) return 'absent';
    if (error !== 0) return undefined;
    if (answer.some(isInterrupted)) continue;
    return read(answer.slice(0, -1), isWanted);
  }
  return undefined;
}

/** Somebody may change the set while it is read. */
const ATTEMPTS = 5;
const NLM_F_DUMP_INTR = 0x10;

function isInterrupted(message: Uint8Array): boolean {
  return (((message[6] ?? 0) | ((message[7] ?? 0) << 8)) & NLM_F_DUMP_INTR) !== 0;
}

function elementsRequest(name: string): Uint8Array {
  const [, table = ''] = TABLE.split(' ');
  const names = [
    [LIST.table, table],
    [LIST.set, name],
  ] as const;
  return nftablesRequest(NFT_MSG_GETSETELEM, NFPROTO_BRIDGE, names, 'dump');
}

/** Undefined for anything that is not as nf_tables_fill_setelem makes it: the key first, and in it its bytes. */
function read(messages: readonly Uint8Array[], isWanted: (first: number) => boolean): RawSet | undefined {
  const firsts: number[] = [];
  const elements: RawElement[] = [];
  for (const message of messages) {
    if (typeOf(message) !== nftablesType(NFT_MSG_NEWSETELEM)) return undefined;
    const list = nested(message, NFTABLES_HEADER).get(LIST.elements);
    if (list === undefined) continue;
    const view = new DataView(list.buffer, list.byteOffset, list.byteLength);
    let at = 0;
    while (at < list.length) {
      // The headers of the element, of its key, of the key's bytes; and these, of which there are at least four.
      if (at + 4 * ATTRIBUTE_HEADER > list.length) return undefined;
      const length = view.getUint16(at, true);
      const isElement =
        (view.getUint16(at + 2, true) & TYPE_MASK) === NFTA_LIST_ELEM &&
        (view.getUint16(at + 6, true) & TYPE_MASK) === ELEMENT.key &&
        (view.getUint16(at + 10, true) & TYPE_MASK) === NFTA_DATA_VALUE &&
        view.getUint16(at + 8, true) >= 2 * ATTRIBUTE_HEADER;
      if (!isElement || length < 4 * ATTRIBUTE_HEADER || at + length > list.length) return undefined;
      const first = view.getUint32(at + 3 * ATTRIBUTE_HEADER, true);
      firsts.push(first);
      if (isWanted(first)) {
        const attributes = nested(list.subarray(at, at + length), ATTRIBUTE_HEADER);
        const key = bytesOf(attributes.get(ELEMENT.key));
        if (key === undefined) return undefined;
        elements.push({ key, attributes });
      }
      at += Math.ceil(length / 4) * 4;
    }
  }
  return { firsts, elements };
}

/** The attributes of a message or of an attribute, whatever their types say besides. */
export function nested(bytes: Uint8Array, from = 0): ReadonlyMap<number, Uint8Array> {
  return new Map([...attributesOf(bytes, from)].map(([type, value]) => [type & TYPE_MASK, value]));
}

/** The bytes of a key, or of the end of one. */
export function bytesOf(data: Uint8Array | undefined): Uint8Array | undefined {
  return data === undefined ? undefined : nested(data).get(NFTA_DATA_VALUE);
}
