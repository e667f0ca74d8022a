import { Failure, shown } from '../errors.ts';

declare const brand: unique symbol;
/** The name of a network interface, safe in command lines, batches, file names and nft text. */
export type InterfaceName = string & { readonly [brand]: 'InterfaceName' };

/** IFNAMSIZ (16) less the final NUL: include/uapi/linux/if.h. */
export const INTERFACE_NAME_MAX = 15;

/** Names that a kernel may have, but that mean more than one interface to those who are told them. */
const MEANS_SOMETHING_ELSE: readonly (readonly [RegExp, string])[] = [
  // net/ipv6/addrconf.c: sysctl_dev_name_is_allowed. Switching IPv6 off there would do so for the whole host.
  [/^(all|default)$/, '/proc/sys/net has settings of that name for every interface'],
  // lib/ll_map.c: ll_idx_a2n, for a name that does not exist (any more).
  [/^if[0-9]+$/, 'ip and bridge read it as the number of another interface'],
];

/**
 * Reads an interface name. The kernel takes nearly any bytes (dev_valid_name, net/core/dev.c); this takes letters,
 * digits, `.`, `_`, `-` and a letter first, which is what Xen, udev and people use, and what needs no quoting anywhere.
 *
 * @param at where the text comes from, for the error
 */
export function parseInterfaceName(text: string, at: string): InterfaceName {
  const hint = `an interface name has at most ${INTERFACE_NAME_MAX} letters, digits, dots, dashes or underscores and starts with a letter`;
  if (text.length > INTERFACE_NAME_MAX) {
    throw new Failure('input', `${shown(text)} is too long for an interface name`, { at, hint });
  }
  if (!/^[A-Za-z][A-Za-z0-9._-]*$/.test(text)) {
    throw new Failure('input', `${shown(text)} is not an interface name`, { at, hint });
  }
  const taken = MEANS_SOMETHING_ELSE.find(([pattern]) => pattern.test(text));
  if (taken !== undefined) throw new Failure('input', `${shown(text)} cannot be used: ${taken[1]}`, { at, hint });
  return text as InterfaceName;
}
