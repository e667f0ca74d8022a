import { didYouMean } from '../did-you-mean.ts';
import { addressText, addressValue, type Family } from '../net/address-range.ts';
import { macText } from '../net/mac-address.ts';

/** What an attribute of a rule may be; the names of types are those of libvirt's nwfilter_conf.c. */
export type Value =
  | { readonly kind: 'number'; readonly value: number; readonly hex: boolean }
  | { readonly kind: 'mac'; readonly value: bigint }
  | { readonly kind: 'address'; readonly family: Family; readonly value: bigint }
  | { readonly kind: 'length'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'states'; readonly value: readonly StateName[] }
  | { readonly kind: 'tcp-flags'; readonly mask: number; readonly flags: number }
  | { readonly kind: 'ipset-flags'; readonly value: readonly ('src' | 'dst')[] };

export const STATES = ['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'NONE'] as const;
export type StateName = (typeof STATES)[number];

/** Reads a value, and prints it in its canonical form. */
export interface Kind {
  /** What may be written: a hint in errors. */
  readonly possible: string;
  /** @returns undefined for what is not possible, or what was probably meant */
  read(text: string): Value | { readonly wrong: string | undefined };
}

const wrong = (meant?: string): { readonly wrong: string | undefined } => ({ wrong: meant });

interface Numbers {
  readonly most: number;
  readonly least?: number;
  /** Names for some, whatever their case. */
  readonly names?: Readonly<Record<string, number>>;
  readonly hex?: boolean;
}

/** Decimal, or hexadecimal with or without 0x, or one of some names. */
export function numbers({ most, least = 0, names = {}, hex = true }: Numbers): Kind {
  const words = Object.keys(names);
  return {
    possible: `a number of ${least} to ${most}${hex ? ', decimal or 0x...' : ''}${words.length === 0 ? '' : `, or one of ${words.join(' ')}`}`,
    read(text) {
      const decimal = unsigned(text, 10, most);
      const value = decimal ?? (hex ? unsigned(text, 16, most) : undefined);
      if (value !== undefined) return value < least ? wrong() : { kind: 'number', value, hex: decimal === undefined };
      const name = words.find((one) => one.toLowerCase() === text.toLowerCase());
      return name === undefined
        ? wrong(didYouMean(text, words))
        : { kind: 'number', value: names[name] ?? 0, hex: false };
    },
  };
}

function unsigned(text: string, base: 10 | 16, most: number): number | undefined {
  const form = base === 10 ? /^\s*\+?(\d+)$/ : /^\s*\+?(?:0x)?([0-9a-f]+)$/i;
  const digits = form.exec(text)?.[1];
  if (digits === undefined || digits.length > 16) return undefined;
  const value = Number.parseInt(digits, base);
  return value <= most ? value : undefined;
}

export const MAC: Kind = {
  possible: 'six hexadecimal numbers, like 00:16:3e:12:34:56',
  read: (text) => {
    const value = macValue(text);
    return value === undefined ? wrong() : { kind: 'mac', value };
  },
};

export const MAC_MASK: Kind = {
  possible: 'ones, then zeros, like ff:ff:ff:00:00:00',
  read: (text) => {
    const value = macValue(text);
    return value === undefined || leadingOnes(value, 48) === undefined ? wrong() : { kind: 'mac', value };
  },
};

function macValue(text: string): bigint | undefined {
  if (!/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i.test(text)) return undefined;
  const hex = text
    .split(':')
    .map((part) => part.padStart(2, '0'))
    .join('');
  return BigInt(`0x${hex}`);
}

/** So many ones, then zeros. */
export function maskOf(length: number, bits: number): bigint {
  return ((1n << BigInt(length)) - 1n) << BigInt(bits - length);
}

/** How many ones a mask has; undefined if there is one behind a zero. */
function leadingOnes(mask: bigint, bits: number): number | undefined {
  for (let length = 0; length <= bits; length += 1) {
    if (mask === maskOf(length, bits)) return length;
  }
  return undefined;
}

export function address(family: Family): Kind {
  return {
    possible: family === 4 ? 'an IPv4 address, like 192.0.2.1' : 'an IPv6 address, like 2001:db8::1',
    read: (text) => {
      const found = addressValue(text);
      return found?.family === family ? { kind: 'address', family, value: found.value } : wrong();
    },
  };
}

export function mask(family: Family): Kind {
  const bits = family === 4 ? 32 : 128;
  return {
    possible: `0 to ${bits}, or a netmask, like ${family === 4 ? '255.255.255.0' : 'ffff:ffff::'}`,
    read: (text) => {
      const length = unsigned(text, 10, 0xffff_ffff);
      if (length !== undefined) return length <= bits ? { kind: 'length', value: length } : wrong();
      const found = addressValue(text);
      const ones = found?.family === family ? leadingOnes(found.value, bits) : undefined;
      return ones === undefined ? wrong() : { kind: 'length', value: ones };
    },
  };
}

export const BOOLEAN: Kind = {
  possible: 'true or false',
  // All else is false, as libvirt reads it: the rule then does not ask for it.
  read: (text) => ({ kind: 'boolean', value: ['true', '1', 'yes'].includes(text) }),
};

/** libvirt cuts comments there. */
const COMMENT = 256;
export const TEXT: Kind = {
  possible: 'any text',
  read: (text) => ({ kind: 'text', value: text.slice(0, COMMENT) }),
};

export const STATE: Kind = {
  possible: `some of ${STATES.join(',')}`,
  read: (text) => {
    const words = text.split(/[\s,]+/).filter((word) => word !== '');
    const states = words.map((word) => STATES.find((one) => one === word.toUpperCase()));
    const unknown = states.indexOf(undefined);
    if (words.length === 0 || unknown >= 0) return wrong(didYouMean((words[unknown] ?? '').toUpperCase(), STATES));
    if (states.includes('NONE')) return { kind: 'states', value: ['NONE'] };
    return { kind: 'states', value: STATES.filter((one) => states.includes(one)) };
  },
};

/** RFC 9293 §3.1, the lower six bits. */
const FLAGS = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ALL: 63, NONE: 0 } as const;
const FLAG_NAMES = Object.keys(FLAGS) as (keyof typeof FLAGS)[];

export const TCP_FLAGS: Kind = {
  possible: `MASK/FLAGS of ${FLAG_NAMES.join(' ')}, like SYN,ACK/SYN`,
  read: (text) => {
    const [mask, flags, ...more] = text.split('/').map(flagBits);
    return mask === undefined || flags === undefined || more.length > 0 ? wrong() : { kind: 'tcp-flags', mask, flags };
  },
};

function flagBits(text: string): number | undefined {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  const bits = words.map((word) => FLAG_NAMES.find((one) => one === word.toUpperCase()));
  return bits.reduce<number | undefined>(
    (sum, one) => (sum === undefined || one === undefined ? undefined : sum | FLAGS[one]),
    0,
  );
}

function flagText(bits: number): string {
  if (bits === 0) return 'NONE';
  if (bits === FLAGS.ALL) return 'ALL';
  return FLAG_NAMES.filter((name) => name !== 'ALL' && (bits & FLAGS[name]) !== 0).join(',');
}

export const IPSET: Kind = {
  possible: 'the name of an ipset: up to 31 of A-Z a-z 0-9 _ . : + - and blanks',
  read: (text) => (/^[A-Za-z0-9_.:+ -]{1,31}$/.test(text) ? { kind: 'text', value: text } : wrong()),
};

export const IPSET_FLAGS: Kind = {
  possible: 'one to six of src and dst, like src,dst',
  read: (text) => {
    const words = text.toLowerCase().split(',');
    const known = words.flatMap((word) => (['src', 'dst'] as const).filter((one) => one === word));
    return known.length === words.length && known.length <= 6 ? { kind: 'ipset-flags', value: known } : wrong();
  },
};

/** The canonical form, as libvirt prints it. */
export function valueText(value: Value, names: Readonly<Record<string, number>> = {}): string {
  switch (value.kind) {
    case 'number': {
      const name = Object.entries(names).find(([, one]) => one === value.value)?.[0];
      if (name !== undefined) return name;
      return value.hex ? `0x${value.value.toString(16)}` : String(value.value);
    }
    case 'mac':
      return macText(value.value);
    case 'address':
      return dottedText(value.family, value.value);
    case 'length':
      return String(value.value);
    case 'text':
      return value.value;
    case 'boolean':
      return String(value.value);
    case 'states':
      return value.value.join(',');
    case 'tcp-flags':
      return `${flagText(value.mask)}/${flagText(value.flags)}`;
    case 'ipset-flags':
      return value.value.join(',');
    default:
      return value satisfies never;
  }
}

/** RFC 4291 §2.5.5: addresses with an IPv4 address in them are written so. */
export function dottedText(family: Family, value: bigint): string {
  const before = value >> 32n;
  const dotted = family === 6 && value > 0xffffn && (before === 0n || before === 0xffffn);
  if (!dotted) return addressText(family, value);
  return `::${before === 0n ? '' : 'ffff:'}${addressText(4, value & 0xffff_ffffn)}`;
}
