import type { Family } from '../net/ip-prefix.ts';
import type { GuestNetwork, GuestNic, NicFamily } from './guest-network.ts';
import { EVERYWHERE, routesOf, usedNics } from './lines.ts';

/** nm-settings-keyfile(5), one file a NIC. */
export function networkManagerText(network: GuestNetwork): string {
  return usedNics(network).map(file).join('\n');
}

function file({ name, device, mac, families }: GuestNic): string {
  const of = (family: Family): NicFamily | undefined => families.find((one) => one.family === family);
  return [
    `# /etc/NetworkManager/system-connections/${name}.nmconnection (mode 600)`,
    `# ${device}`,
    '[connection]',
    `id=${name}`,
    'type=ethernet',
    '',
    '[ethernet]',
    `mac-address=${mac.toUpperCase()}`,
    '',
    '[ipv4]',
    ...section(of(4), 'disabled'),
    '',
    '[ipv6]',
    ...section(of(6), 'link-local'),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

function section(one: NicFamily | undefined, without: string): string[] {
  if (one === undefined) return [`method=${without}`];
  const { family, addresses, table, sources } = one;
  return [
    'method=manual',
    ...addresses.map((address, at) => `address${at + 1}=${address}`),
    ...routesOf(one).flatMap(({ subnet, gateway, onlink, table: inTable }, at) => {
      const options = [...(onlink ? ['onlink=true'] : []), ...(inTable === undefined ? [] : [`table=${inTable}`])];
      return [
        `route${at + 1}=${[subnet ?? EVERYWHERE[family], ...(gateway === undefined ? [] : [gateway])].join(',')}`,
        ...(options.length === 0 ? [] : [`route${at + 1}_options=${options.join(',')}`]),
      ];
    }),
    ...(table === undefined
      ? []
      : sources.map((source, at) => `routing-rule${at + 1}=priority ${table} from ${source} table ${table}`)),
  ];
}
