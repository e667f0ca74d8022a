import type { BatchLine } from '../effects/batch.ts';
import { parsePrefix } from '../net/ip-prefix.ts';

/**
 * How neighbours at the uplink are told that addresses of a routed vif are here: whoever knows them by another MAC, as
 * that of the host where the guest was before, would look for them there until his entries end.
 *
 * The kernel announces its own addresses alone (arp_notify, ndisc_notify), arping(8) sends from own ones alone, and
 * neither tool of ND is on every host. But whom the kernel looks for it asks about: so it is made to look for the
 * guest's own address at the uplink (`ip neigh ... use`), and while it does rules make of each question what announces:
 * of ARP, a request that comes from the address it asks for (RFC 5227 §3); of ND, an unsolicited advertisement to all
 * nodes that overrides what they know (RFC 4861 §7.2.6).
 */
export interface Announcement {
  /** Its first name, which the tables have. */
  readonly device: string;
  readonly uplink: string;
  /** Single addresses. */
  readonly addresses: readonly string[];
}

/** A family for each version: both hooks see what this host sends itself, and nothing else. */
const FAMILIES = ['arp', 'ip6'] as const;

/** For `nft`: the tables, of which others that announce know nothing. */
export function announcingTables(announcement: Announcement): string {
  return FAMILIES.flatMap((family) => {
    const rules = addressesOf(announcement, family).map((address) => RULES[family](announcement.uplink, address));
    return rules.length === 0
      ? []
      : [
          ...removalOf(family, announcement),
          `table ${family} ${tableOf(announcement)} {`,
          '  chain output {',
          '    type filter hook output priority 0; policy accept;',
          ...rules.map((rule) => `    ${rule}`),
          '  }',
          '}',
        ];
  })
    .map((line) => `${line}\n`)
    .join('');
}

/** Takes them away, whether they are there or not. */
export function announcingTablesRemoval(announcement: Announcement): string {
  return FAMILIES.filter((family) => addressesOf(announcement, family).length > 0)
    .flatMap((family) => removalOf(family, announcement))
    .map((line) => `${line}\n`)
    .join('');
}

function removalOf(family: string, announcement: Announcement): string[] {
  return ['add', 'delete'].map((verb) => `${verb} table ${family} ${tableOf(announcement)}`);
}

function tableOf({ device }: Announcement): string {
  return `xen-vif-announce-${device}`;
}

function addressesOf({ addresses }: Announcement, family: (typeof FAMILIES)[number]): readonly string[] {
  return addresses.filter((address) => address.includes(':') === (family === 'ip6'));
}

const RULES: Readonly<Record<(typeof FAMILIES)[number], (uplink: string, address: string) => string>> = {
  arp: (uplink, address) =>
    `oifname "${uplink}" arp operation request arp daddr ip ${address} arp saddr ip set ${address}`,
  // What is set by its name is put into the checksum, what is set as bits is not. So the type goes to 136 by its name
  // from as far below as all that changes adds up to: 0x01 of the type itself, 0x20 of the flag (override), 0x01 of the
  // option, which becomes that of the target's MAC; each is the first of its two bytes.
  ip6: (uplink, address) =>
    `oifname "${uplink}" icmpv6 type nd-neighbor-solicit @th,64,128 ${hexOf(address)} ip6 daddr set ff02::1 ` +
    '@th,0,8 set 102 icmpv6 type set nd-neighbor-advert @th,32,8 set 0x20 @th,192,8 set 2',
};

function hexOf(address: string): string {
  return `0x${Buffer.from(parsePrefix(address)?.bytes ?? []).toString('hex')}`;
}

/** For `ip`: it looks for each once, and forgets that it did. */
export function announcingLines({ uplink, addresses }: Announcement): BatchLine[] {
  return addresses.flatMap((address) => [
    { text: `neigh replace ${address} dev ${uplink} use` },
    { text: `neigh del ${address} dev ${uplink}` },
  ]);
}
