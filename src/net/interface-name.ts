import { Failure, shown } from '../errors.ts';

declare const brand: unique symbol;
/** The name of a network interface, safe in command lines, batches, file names and nft text. */
export type InterfaceName = string & { readonly [brand]: 'InterfaceName' };

/** IFNAMSIZ (16) less the final NUL: include/uapi/linux/if.h. */
export const INTERFACE_NAME_MAX = 15;

/** Names that a kernel may have, but that mean more than one interface to those who are told them. */
const MEANS_SOMETHING_ELSE: readonly (readonly [RegExp, string])[] = [
  // `dev 10` is a name to ip and a number to others (nft iif, tc, an admin).
  [/^[0-9]+$/, 'it is a number, and some programs read it as that of another interface'],
  // net/ipv6/addrconf.c: sysctl_dev_name_is_allowed. Switching IPv6 off there would do so for the whole host.
  [/^(all|default)$/, '/proc/sys/net has settings of that name for every interface'],
  // lib/ll_map.c: ll_idx_a2n, for a name that does not exist (any more). Its sscanf takes a sign, and what follows the
  // number does not count (measured: with `dev if1x` ip changes interface 1).
  [/^if[+-]?[0-9]/, 'ip and bridge read it as the number of another interface'],
];

/**
 * Reads the name that an interface is to get or has (`vifname=`, `bridge=`). The kernel takes nearly any bytes
 * (dev_valid_name, net/core/dev.c). This takes what needs no quoting in any text of ours and means one interface to
 * all who are told it (measured with ip, bridge, nft, ebtables-restore). Not `+`, with which ebtables says "all that
 * begin so"; `"`, `'`, `#` and `\`, which end or begin something in a batch; `%`, which asks the kernel for a number;
 * `=`, which ends a key.
 *
 * @param at where the text comes from, for the error
 */
export function parseInterfaceName(text: string, at: string): InterfaceName {
  return parse(text, at, /^(?!\.{1,2}$)[A-Za-z0-9._@,~^][A-Za-z0-9._@,~^-]*$/, 'an interface name', HINT);
}

/**
 * Reads the name that netback or QEMU gave an interface (`vif1.0`). It names chains, where nft takes letters, digits,
 * `.`, `_` and `-` and a letter first, and files of the state.
 *
 * @param at where the text comes from, for the error
 */
export function parseDeviceName(text: string, at: string): InterfaceName {
  return parse(text, at, /^[A-Za-z][A-Za-z0-9._-]*$/, 'the first name of a device', DEVICE_HINT);
}

const HINT = `an interface name has at most ${INTERFACE_NAME_MAX} letters, digits or characters of . _ - @ , ~ ^ and does not start with a dash`;
const DEVICE_HINT = `at most ${INTERFACE_NAME_MAX} letters, digits, dots, dashes or underscores, and a letter first, like vif1.0`;

function parse(text: string, at: string, form: RegExp, what: string, hint: string): InterfaceName {
  if (text.length > INTERFACE_NAME_MAX) {
    throw new Failure('input', `${shown(text)} is too long for an interface name`, { at, hint });
  }
  if (!form.test(text)) throw new Failure('input', `${shown(text)} is not ${what}`, { at, hint });
  const taken = MEANS_SOMETHING_ELSE.find(([pattern]) => pattern.test(text));
  if (taken !== undefined) throw new Failure('input', `${shown(text)} cannot be used: ${taken[1]}`, { at, hint });
  return text as InterfaceName;
}
