/** What the kernel or the device model calls the port of a guest, and what can be known from it. */
export interface VifName {
  readonly domid: number;
  readonly devid: number;
  /** The tap of an emulated NIC, not netback's interface. */
  readonly emulated: boolean;
}

/** What the name of the tap of an emulated NIC ends with (libxl); also behind `vifname=`. */
export const EMULATED = '-emu';

/**
 * Reads `vif1.0`, `vif1.0-emu` and xend's `tap1.0`. Numbers as the kernel prints them: without zeros in front.
 *
 * @returns undefined for any other name, also for one that a guest was given by `vifname=`
 */
export function parseVifName(name: string): VifName | undefined {
  const match = /^(vif|tap)(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})(-emu)?$/.exec(name);
  if (match === null) return undefined;
  return {
    domid: Number(match[2]),
    devid: Number(match[3]),
    emulated: match[1] === 'tap' || match[4] === EMULATED,
  };
}

const GUEST_PREFIX = 'vif';

/**
 * True for a name that belongs to a guest, whether a run of ours has configured that port or not: unmanaged ports are
 * known by it. Wider than `parseVifName` on purpose: a device `vifdmz` is filtered, so it is also exempted and listed.
 */
export function isGuestPort(name: string): boolean {
  return name.startsWith(GUEST_PREFIX);
}

/** The same for the kernel, in the words of nft(8) and of ebtables(8). */
export const GUEST_PORTS = { nft: `"${GUEST_PREFIX}*"`, ebtables: `${GUEST_PREFIX}+` } as const;
