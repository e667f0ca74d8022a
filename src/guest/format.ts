import { cloudInitText } from './cloud-init.ts';
import type { GuestNetwork } from './guest-network.ts';
import { ifupdownText } from './ifupdown.ts';
import { ipText } from './ip.ts';
import { netplanText } from './netplan.ts';
import { networkManagerText } from './network-manager.ts';
import { networkdText } from './networkd.ts';

/** Programs that configure a guest's network, and how each wants to be told. */
export const GUEST_FORMATS = {
  ip: ipText,
  ifupdown: ifupdownText,
  networkd: networkdText,
  netplan: netplanText,
  nm: networkManagerText,
  'cloud-init': cloudInitText,
} as const satisfies Readonly<Record<string, (network: GuestNetwork) => string>>;

export type GuestFormat = keyof typeof GUEST_FORMATS;

export function isGuestFormat(word: string): word is GuestFormat {
  return Object.hasOwn(GUEST_FORMATS, word);
}

/**
 * What goes into a guest, as text for one program: complete files, each behind a comment that names it.
 *
 * A comment is one in all of these languages: a line that begins with `#`.
 */
export function guestText(network: GuestNetwork, format: GuestFormat): string {
  return network.notes.map((note) => `# note: ${note}\n`).join('') + GUEST_FORMATS[format](network);
}
