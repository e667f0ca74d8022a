import type { Family } from '../net/ip-prefix.ts';
import type { GuestNetwork, GuestNic, NicFamily } from './guest-network.ts';
import { routesOf, usedNics, withLength } from './lines.ts';

/** netplan(5). Addresses are quoted: YAML reads some of them as numbers in base 60. */
export function netplanText(network: GuestNetwork): string {
  return [
    '# /etc/netplan/60-guest.yaml (mode 600)',
    'network:',
    '  version: 2',
    '  ethernets:',
    ...usedNics(network).flatMap((nic) => nicLines(nic, () => 'default')),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/**
 * One entry of `ethernets`; cloud-init's version 2 has the same words.
 *
 * @param everywhere how the default route is called
 */
export function nicLines({ name, device, mac, families }: GuestNic, everywhere: (family: Family) => string): string[] {
  const routes = families.flatMap((one) => routeLines(one, everywhere(one.family)));
  const rules = families.flatMap(ruleLines);
  return [
    `    # ${device}`,
    `    ${name}:`,
    '      match:',
    `        macaddress: "${mac}"`,
    '      addresses:',
    ...families.flatMap(({ addresses }) => addresses.map((address) => `        - "${address}"`)),
    ...(routes.length === 0 ? [] : ['      routes:', ...routes]),
    ...(rules.length === 0 ? [] : ['      routing-policy:', ...rules]),
  ];
}

function routeLines(one: NicFamily, everywhere: string): string[] {
  return routesOf(one).flatMap(({ subnet, gateway, onlink, table }) => [
    `        - to: ${subnet === undefined ? everywhere : `"${subnet}"`}`,
    gateway === undefined ? '          scope: link' : `          via: "${gateway}"`,
    ...(onlink ? ['          on-link: true'] : []),
    ...(table === undefined ? [] : [`          table: ${table}`]),
  ]);
}

function ruleLines({ family, table, sources }: NicFamily): string[] {
  if (table === undefined) return [];
  return sources.flatMap((source) => [
    `        - from: "${withLength(source, family)}"`,
    `          table: ${table}`,
    `          priority: ${table}`,
  ]);
}
