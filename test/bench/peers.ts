import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type StockScripts, stockScripts } from '../lab/stock.ts';
import type { Guest } from './guests.ts';

/** Debian's vif-bridge as it is; only its syslog goes where everybody's goes. */
export async function stock(): Promise<StockScripts> {
  const scripts = await stockScripts();
  // The lab's logger writes a file that tests read; here the host's own must cost what it costs.
  rmSync(join(scripts.dir, '../bin/logger'));
  return scripts;
}

/**
 * The same with a hook that does what the classic additions to vif-bridge do: own chains by separate ebtables calls,
 * MAC and IPv4 checked, ARP and IPv6 neighbour discovery too, jumps at the end of the three built-in chains.
 */
export async function classic(): Promise<StockScripts> {
  const scripts = await stock();
  const hooks = join(scripts.dir, 'vif-post.d');
  mkdirSync(hooks);
  const hook = join(hooks, '50-ebtables.hook');
  // Sourced by stock's bash, with its variables: $command, $dev, $ip.
  writeFileSync(hook, CLASSIC_HOOK);
  chmodSync(hook, 0o755);
  return scripts;
}

const CLASSIC_HOOK = `mac=$(xenstore_read "$XENBUS_PATH/mac")
case "$command" in
  online | add)
    ebtables -N "$dev-in"
    ebtables -N "$dev-out"
    ebtables -P "$dev-in" DROP
    ebtables -P "$dev-out" DROP
    ebtables -A "$dev-in" -s ! "$mac" -j DROP
    for address in $ip; do
      case $address in
        *:*)
          ebtables -A "$dev-in" -p IPv6 --ip6-src "$address" -j ACCEPT
          ebtables -A "$dev-out" -p IPv6 --ip6-dst "$address" -j ACCEPT
          ;;
        *)
          ebtables -A "$dev-in" -p IPv4 --ip-src "$address" -j ACCEPT
          ebtables -A "$dev-in" -p ARP --arp-ip-src "$address" --arp-mac-src "$mac" -j ACCEPT
          ebtables -A "$dev-out" -p IPv4 --ip-dst "$address" -j ACCEPT
          ;;
      esac
    done
    ebtables -A "$dev-in" -p IPv4 --ip-proto udp --ip-sport 68 --ip-dport 67 -j ACCEPT
    ebtables -A "$dev-out" -p ARP -j ACCEPT
    ebtables -A "$dev-out" -p IPv6 --ip6-dst ff00::/8 -j ACCEPT
    ebtables -A FORWARD -i "$dev" -j "$dev-in"
    ebtables -A FORWARD -o "$dev" -j "$dev-out"
    ebtables -A INPUT -i "$dev" -j "$dev-in"
    ebtables -A OUTPUT -o "$dev" -j "$dev-out"
    ;;
  offline | remove)
    ebtables -D FORWARD -i "$dev" -j "$dev-in"
    ebtables -D FORWARD -o "$dev" -j "$dev-out"
    ebtables -D INPUT -i "$dev" -j "$dev-in"
    ebtables -D OUTPUT -o "$dev" -j "$dev-out"
    ebtables -F "$dev-in"
    ebtables -F "$dev-out"
    ebtables -X "$dev-in"
    ebtables -X "$dev-out"
    ;;
esac
`;

/** The rules that hook makes for many vifs, as a file for `ebtables-restore`. */
export function classicRules(guests: readonly Guest[]): string {
  const addresses = (one: Guest, v6: boolean): string[] =>
    one.ip.split(' ').filter((text) => text.includes(':') === v6);
  return [
    '*filter',
    ...[':INPUT ACCEPT', ':FORWARD ACCEPT', ':OUTPUT ACCEPT'],
    ...guests.flatMap(({ vif }) => [`:${vif}-in DROP`, `:${vif}-out DROP`]),
    ...guests.flatMap((one) => [
      `-A ${one.vif}-in -s ! ${one.mac} -j DROP`,
      ...addresses(one, false).flatMap((ip) => [
        `-A ${one.vif}-in -p IPv4 --ip-src ${ip} -j ACCEPT`,
        `-A ${one.vif}-in -p ARP --arp-ip-src ${ip} --arp-mac-src ${one.mac} -j ACCEPT`,
        `-A ${one.vif}-out -p IPv4 --ip-dst ${ip} -j ACCEPT`,
      ]),
      ...addresses(one, true).flatMap((ip) => [
        `-A ${one.vif}-in -p IPv6 --ip6-src ${ip} -j ACCEPT`,
        `-A ${one.vif}-out -p IPv6 --ip6-dst ${ip} -j ACCEPT`,
      ]),
      `-A ${one.vif}-in -p IPv4 --ip-proto udp --ip-sport 68 --ip-dport 67 -j ACCEPT`,
      `-A ${one.vif}-out -p ARP -j ACCEPT`,
      `-A ${one.vif}-out -p IPv6 --ip6-dst ff00::/8 -j ACCEPT`,
      `-A FORWARD -i ${one.vif} -j ${one.vif}-in`,
      `-A FORWARD -o ${one.vif} -j ${one.vif}-out`,
      `-A INPUT -i ${one.vif} -j ${one.vif}-in`,
      `-A OUTPUT -o ${one.vif} -j ${one.vif}-out`,
    ]),
    '',
  ].join('\n');
}

/** The usual way with nft: a base chain with one jump rule per vif, two chains per vif. For `nft -f -`. */
export function linearRules(guests: readonly Guest[]): string {
  const table = 'bridge linear';
  const addresses = (one: Guest, v6: boolean): string[] =>
    one.ip.split(' ').filter((text) => text.includes(':') === v6);
  return [
    `table ${table} {`,
    '  chain pre { type filter hook prerouting priority -200; policy accept; }',
    '  chain post { type filter hook postrouting priority -200; policy accept; }',
    ...guests.flatMap((one) => [
      `  chain ${one.vif}-in {`,
      `    ether saddr != ${one.mac} drop`,
      ...addresses(one, false).flatMap((ip) => [
        `    ether type ip ip saddr ${ip} accept`,
        `    ether type arp arp saddr ether ${one.mac} arp saddr ip ${ip} accept`,
      ]),
      ...addresses(one, true).map((ip) => `    ether type ip6 ip6 saddr ${ip} accept`),
      '    ether type ip udp sport 68 udp dport 67 accept',
      '    drop',
      '  }',
      `  chain ${one.vif}-out {`,
      ...addresses(one, false).map((ip) => `    ether type ip ip daddr ${ip} accept`),
      '    ether type arp accept',
      ...addresses(one, true).map((ip) => `    ether type ip6 ip6 daddr ${ip} accept`),
      '    ether type ip6 ip6 daddr ff00::/8 accept',
      '    drop',
      '  }',
    ]),
    '}',
    ...guests.flatMap(({ vif }) => [
      `add rule ${table} pre iifname "${vif}" jump ${vif}-in`,
      `add rule ${table} post oifname "${vif}" jump ${vif}-out`,
    ]),
    '',
  ].join('\n');
}
