import type { GuestNetwork, GuestNic, NicFamily } from './guest-network.ts';
import { routesOf, usedNics, withLength } from './lines.ts';

/** systemd.network(5), one file a NIC. */
export function networkdText(network: GuestNetwork): string {
  return usedNics(network).map(file).join('\n');
}

function file({ name, device, mac, families }: GuestNic): string {
  return [
    `# /etc/systemd/network/10-${name}.network`,
    `# ${device}`,
    '[Match]',
    `MACAddress=${mac}`,
    '',
    '[Network]',
    ...families.flatMap(({ addresses }) => addresses.map((address) => `Address=${address}`)),
    ...families.flatMap((one) => [...routes(one), ...rules(one)]),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

function routes(one: NicFamily): string[] {
  return routesOf(one).flatMap(({ subnet, gateway, onlink, table }) => [
    ...['', '[Route]'],
    ...(subnet === undefined ? [] : [`Destination=${subnet}`]),
    ...(gateway === undefined ? ['Scope=link'] : [`Gateway=${gateway}`]),
    ...(onlink ? ['GatewayOnLink=true'] : []),
    ...(table === undefined ? [] : [`Table=${table}`]),
  ]);
}

function rules({ family, table, sources }: NicFamily): string[] {
  if (table === undefined) return [];
  return sources.flatMap((source) => [
    ...['', '[RoutingPolicyRule]', `From=${withLength(source, family)}`],
    ...[`Table=${table}`, `Priority=${table}`],
  ]);
}
