import { Failure, shown } from '../errors.ts';
import {
  type AssignedAddress,
  contains,
  type IpPrefix,
  isHost,
  makePrefix,
  parseAssignedAddress,
  parsePrefix,
} from './ip-prefix.ts';
import { eui64LinkLocal, type MacAddress } from './mac-address.ts';

/** All that one `ip=` value says. Empty lists mean: nothing of that kind was given. */
export interface AddressList {
  readonly ipv4: readonly IpPrefix[];
  readonly ipv6: readonly IpPrefix[];
  /** Directed IPv4 broadcasts known from netmasks. */
  readonly broadcasts: readonly string[];
  /** As it was written. */
  readonly text: string;
  /** Lines for the log. */
  readonly notes: readonly string[];
}

/** More than one xenstore value can hold (4096 bytes a message, docs/misc/xenstore.txt). */
const LONGEST = 4096;

/**
 * Reads an `ip=` value in every form that admins write and xl passes on: words separated by blanks, commas or
 * semicolons, the whole or each word in quotes (xl keeps inner quotes in the value). An empty value is an empty list.
 *
 * @param at where the text comes from, for the error
 * @param mac of the vif, where `PREFIX::eui64` may stand for the address that SLAAC makes of it
 */
export function parseAddressList(text: string, at: string, mac?: MacAddress): AddressList {
  if (text.length > LONGEST) {
    throw new Failure('input', `the address list is ${text.length} characters long`, {
      at,
      hint: `at most ${LONGEST} characters; write a block like 192.0.2.0/28 instead`,
    });
  }
  const control = /[^\x20-\x7e\t]/.exec(text);
  if (control !== null) {
    throw new Failure('input', `${shown(text)} has a character that belongs in no address list`, {
      at,
      hint: 'plain ASCII only, addresses separated by blanks',
    });
  }
  const words = wordsOf(text);
  if (words.length === 0 && /[,;]/.test(text)) {
    throw new Failure('input', `${shown(text)} names no address`, { at, hint: 'write addresses, or no ip= at all' });
  }
  const assigned = words.map((word) => parseAssignedAddress(fromMac(word, at, mac), at));
  return {
    ipv4: distinct(assigned, 4),
    ipv6: distinct(assigned, 6),
    broadcasts: [...new Set(assigned.flatMap((one) => one.broadcast ?? []))],
    text,
    notes: assigned.flatMap((one) => one.note ?? []),
  };
}

/**
 * The same word by word, as it was written and without what is the same twice: which of them are in blocks of others,
 * and which netmask stands behind which address.
 */
export function writtenAddresses({ text }: AddressList, at: string, mac: MacAddress): AssignedAddress[] {
  const assigned = wordsOf(text).map((word) => {
    const one = parseAssignedAddress(fromMac(word, at, mac), at);
    return word === fromMac(word, at, mac) ? one : { ...one, netmask: SLAAC_LENGTH };
  });
  return [...new Map(assigned.map((one) => [one.prefix.text, one])).values()];
}

/** RFC 4862: what is made of a MAC stands in a /64. */
const SLAAC_LENGTH = 64;

function wordsOf(text: string): string[] {
  return text.split(/[\s,;'"]+/).filter((word) => word !== '');
}

/**
 * `2001:db8:1::eui64` is the address that a host makes of its MAC and a /64 (RFC 4862 §5.5.3, RFC 4291 appendix A);
 * every other word is itself. Xen's tools hand it on as it is.
 */
function fromMac(word: string, at: string, mac: MacAddress | undefined): string {
  const prefix = /^([0-9a-f:]+)::eui64(\/64)?$/i.exec(word)?.[1];
  if (prefix === undefined || mac === undefined) return word;
  const network = parsePrefix(`${prefix}::`);
  if (prefix.split(':').length > 4 || network === undefined || network.family !== 6) {
    throw new Failure('input', `${shown(word)} has no prefix of 64 bits before ::eui64`, {
      at,
      hint: 'write at most four groups, like 2001:db8:1::eui64',
    });
  }
  return makePrefix(Uint8Array.from([...network.bytes.slice(0, 8), ...eui64LinkLocal(mac).slice(8)]), 128).text;
}

/** The prefixes of one family. */
function distinct(assigned: readonly AssignedAddress[], family: 4 | 6): IpPrefix[] {
  return distinctPrefixes(assigned.map((one) => one.prefix).filter((prefix) => prefix.family === family));
}

/** Without those that another one already holds. */
export function distinctPrefixes(all: readonly IpPrefix[]): IpPrefix[] {
  const different = [...new Map(all.map((prefix) => [prefix.text, prefix])).values()];
  const blocks = different.filter((prefix) => !isHost(prefix));
  return different.filter((prefix) => !blocks.some((block) => block.length < prefix.length && contains(block, prefix)));
}
