import type { GuestNetwork } from './guest-network.ts';
import { addressCommand, routeCommands, ruleCommands, usedNics } from './lines.ts';

/** Commands of ip(8): they hold until the guest is started again, and show what the other formats mean. */
export function ipText(network: GuestNetwork): string {
  return usedNics(network)
    .flatMap(({ name, device, mac, families }) => [
      `# ${device}: the NIC with the MAC ${mac}`,
      `ip link set dev ${name} up`,
      ...families.flatMap((one) => [
        ...one.addresses.map((address) => addressCommand(one.family, address, name)),
        ...routeCommands(one, name),
        ...ruleCommands(one, 'add'),
      ]),
    ])
    .map((line) => `${line}\n`)
    .join('');
}
