import type { GuestNetwork, GuestNic, NicFamily } from './guest-network.ts';
import { addressCommand, routeCommands, ruleCommands, usedNics } from './lines.ts';

/** interfaces(5) of Debian. Routes that are not those of its own `gateway` are commands of ip(8) there. */
export function ifupdownText(network: GuestNetwork): string {
  return [
    '# /etc/network/interfaces',
    'auto lo',
    'iface lo inet loopback',
    ...usedNics(network).flatMap((nic) => [
      '',
      `# ${nic.device}: the NIC with the MAC ${nic.mac}`,
      `auto ${nic.name}`,
      ...nic.families.flatMap((one) => stanza(nic, one)),
    ]),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

function stanza({ name }: GuestNic, one: NicFamily): string[] {
  const [first = '', ...more] = one.addresses;
  const up = [
    ...more.map((address) => addressCommand(one.family, address, name)),
    ...routeCommands(one, name),
    ...ruleCommands(one, 'add'),
  ];
  return [
    `iface ${name} inet${one.family === 6 ? '6' : ''} static`,
    `    address ${first}`,
    ...up.map((command) => `    up ${command}`),
    ...ruleCommands(one, 'del').map((command) => `    down ${command}`),
  ];
}
