import type { BootedHost } from './xen-host.ts';

/** The two ebtables of Debian: over nf_tables, or the genuine one on the kernel's own tables. */
export type EbtablesVariant = 'nft' | 'legacy';

/** update-alternatives as the maintainer scripts of iptables and ebtables call it (they are not run here). */
function install(variant: EbtablesVariant, priority: number): string {
  const slave = (part: string) =>
    `--slave /usr/sbin/ebtables-${part} ebtables-${part} /usr/sbin/ebtables-${variant}-${part}`;
  return `update-alternatives --install /usr/sbin/ebtables ebtables /usr/sbin/ebtables-${variant} ${priority} ${slave('restore')} ${slave('save')}`;
}

/** What `ebtables` means in dom0, by update-alternatives. Returns what it says of its version. */
export async function chooseEbtables(host: BootedHost, variant: EbtablesVariant): Promise<string> {
  return host.sh(
    `set -e
    mkdir -p /var/lib/dpkg/alternatives /etc/alternatives
    { ${install('nft', 20)}; ${install('legacy', 10)}; update-alternatives --set ebtables /usr/sbin/ebtables-${variant}; } >&2
    ebtables -V`,
  );
}

/** Bash that empties the legacy tables and takes them out of the kernel; harmless where they are not there. */
export const FORGET_LEGACY_TABLES = `for table in nat filter broute; do
      if lsmod | grep -q ^ebtable_$table; then ebtables-legacy -t $table --init-table; rmmod ebtable_$table; fi
    done`;

/** A vif for rules only: no guest is behind it. */
export interface RulesVif {
  readonly device: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** Vifs of which no name or address is a part of another's or printed in two ways, so that listings can be compared. */
export function rulesVifs(guests: number): RulesVif[] {
  return Array.from({ length: guests * 2 }, (_, n) => ({
    device: `vif${100 + (n >> 1)}.${n % 2}`,
    mac: `16:3e:1d:2c:3b:${(0x10 + n).toString(16)}`,
    ipv4: `10.9.0.${100 + n}`,
    ipv6: `fd09::1${(0x10 + n).toString(16)}`,
  }));
}

/** All lines of `ebtables -L` about one vif, with general names in place of its own. */
export function rulesAbout(listing: string, vif: RulesVif): string {
  let chain = '';
  return listing
    .split('\n')
    .flatMap((line) => {
      chain = line.startsWith('Bridge table') ? '' : (/^Bridge chain: (\S+),/.exec(line)?.[1] ?? chain);
      const about = chain.startsWith(`${vif.device}-`) || line.split(/[ ,]/).includes(vif.device);
      return about && line.trim() !== '' ? [`${chain}: ${line.trim()}`] : [];
    })
    .sort()
    .join('\n')
    .replaceAll(vif.device, '<vif>')
    .replaceAll(vif.mac, '<mac>')
    .replaceAll(vif.ipv4, '<ipv4>')
    .replaceAll(vif.ipv6, '<ipv6>');
}
