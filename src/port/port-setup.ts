import type { BatchLine } from '../effects/batch.ts';
import { VLAN_MAX, vlansIn, vlanTexts } from '../net/vlan-range.ts';
import { BINDINGS, KERNEL_DEFAULTS, PORT_FLAGS, type PortFlags, type WishedPort } from './wished-port.ts';

/** Before the port joins: link down, name, address, MTU. Stock: setup_virtual_bridge_port, set_mtu. */
export function prepareLines(port: WishedPort): BatchLine[] {
  const { device, name } = port;
  return [
    { text: `link set dev ${port.rename ? device : name} down` },
    ...(port.rename ? [{ text: `link set dev ${device} name ${name}` }] : []),
    ...(port.alias === undefined
      ? []
      : [{ text: `link set dev ${name} alias ${port.alias}`, optional: 'its first name is forgotten' }]),
    { text: `link set dev ${name} address ${port.address}`, optional: 'the MAC of dom0 side stays as it is' },
    {
      text: `link set dev ${name} addrgenmode ${port.addrgenmode}`,
      optional: 'dom0 may give itself a link-local address on the port',
    },
    { text: `address flush dev ${name}`, optional: 'addresses of dom0 stay on the port' },
    ...(port.mtu > 0 ? [{ text: `link set dev ${name} mtu ${port.mtu}`, optional: `the MTU stays as it is` }] : []),
  ];
}

/**
 * The same for a port in service, without taking its link down, and without its name. A netback device takes no MAC
 * while it is up (net/ethernet/eth.c: eth_prepare_mac_addr_change); nothing is said of what is so already.
 *
 * @param now.addressed false if it is known to have no address
 */
export function restoreLines(
  port: WishedPort,
  now: { readonly mac: string; readonly mtu: number; readonly addressed: boolean },
): BatchLine[] {
  const same = [
    ...(now.addressed ? [] : ['address flush ']),
    ...(now.mac === port.address ? [` address `] : []),
    ...(now.mtu === port.mtu ? [` mtu `] : []),
    ` dev ${port.name} down`,
  ];
  return prepareLines({ ...port, rename: false }).filter(({ text }) => !same.some((part) => text.includes(part)));
}

/** Joins the bridge and hardens the port, still down. */
export function joinLines(port: WishedPort): BatchLine[] {
  const { name } = port;
  return [
    ...(port.quietLinkLocal ? bridgeLinkLocalLines(port.bridge) : []),
    // The rules know the port by it, so it comes before the bridge.
    { text: `link set dev ${name} group ${port.group}` },
    { text: `link set dev ${name} master ${port.bridge}` },
    { text: bridgeSlave(name, 'learning', port.learning) },
    { text: bridgeSlave(name, 'locked', port.locked), optional: 'the bridge has no locked ports (kernel 5.18)' },
    ...(port.rootBlock === undefined
      ? []
      : [
          {
            text: bridgeSlave(name, 'root_block', port.rootBlock),
            optional: 'a guest could become root if STP is switched on',
          },
        ]),
    ...(port.backup === undefined
      ? []
      : [
          {
            text: `link set dev ${name} type bridge_slave backup_port ${port.backup}`,
            optional: 'a guest that has moved away is not reached while its port is still here',
          },
        ]),
    ...PORT_FLAGS.filter((flag) => port[flag] !== KERNEL_DEFAULTS[flag]).map((flag) => ({
      text: bridgeSlave(name, flag, port[flag]),
    })),
  ];
}

/** Flags that an earlier run has set, and that nobody wants any more. */
export function defaultFlagLines(port: WishedPort, before: Partial<PortFlags>): BatchLine[] {
  return PORT_FLAGS.filter((flag) => before[flag] !== undefined && port[flag] === KERNEL_DEFAULTS[flag]).map(
    (flag) => ({ text: bridgeSlave(port.name, flag, port[flag]) }),
  );
}

function bridgeSlave(name: string, word: 'learning' | 'locked' | 'root_block' | keyof PortFlags, on: boolean): string {
  return `link set dev ${name} type bridge_slave ${word} ${on ? 'on' : 'off'}`;
}

/**
 * The bridge learns no address from frames to 01:80:c2:00:00:0x (kernel 5.0, BR_BOOLOPT_NO_LL_LEARN): where the port
 * learns and no chain at the device drops them, they would move entries unseen. Neighbours lose nothing by it, they
 * also send other frames. It stays set: other ports may need it.
 */
export function bridgeLinkLocalLines(bridge: string): BatchLine[] {
  return [
    {
      text: `link set dev ${bridge} type bridge no_linklocal_learn 1`,
      optional: "a guest's link-local frames can move entries of the bridge",
    },
  ];
}

/**
 * Before it comes up the port is in the VLANs it is to be in; where one of frames without a tag is said, in no others:
 * a port that joins is in the bridge's own (`default_pvid`), which stays where none is said. Entries for the MACs
 * follow, as the bridge takes none for a VLAN that the port is not in.
 *
 * @param before those of frames with a tag that an earlier run put it in
 */
export function vlanLines(
  { name, vlan, trunk }: Pick<WishedPort, 'name' | 'vlan' | 'trunk'>,
  before: readonly string[] = [],
): BatchLine[] {
  const wanted = new Set([...(vlan === undefined ? [] : [vlan]), ...vlansIn(trunk)]);
  const others = vlan === undefined ? vlansIn(before) : vlansIn([`1-${VLAN_MAX}`]);
  return [
    ...(vlan === undefined ? [] : [{ text: `vlan add dev ${name} vid ${vlan} pvid untagged master` }]),
    ...trunk.map((range) => ({ text: `vlan add dev ${name} vid ${range} master` })),
    ...vlanTexts(others.filter((one) => !wanted.has(one))).map((range) => ({
      text: `vlan del dev ${name} vid ${range} master`,
    })),
  ];
}

/** The forwarding entries; a port with a shared MAC has none. */
export function fdbLines(port: Pick<WishedPort, 'name' | 'entries'>): BatchLine[] {
  return port.entries.map(({ mac }) => ({ text: `fdb replace ${mac} dev ${port.name} master static sticky` }));
}

/** A word of bridge(8) since iproute2 6.3; ip-link(8) has none for it. */
export function groupLimitLines({ name, maxGroups }: Pick<WishedPort, 'name' | 'maxGroups'>): BatchLine[] {
  if (maxGroups === undefined) return [];
  return [
    { text: `link set dev ${name} mcast_max_groups ${maxGroups}`, optional: `${name} may have any number of groups` },
  ];
}

/** Makes a pinned port that already works share its MAC with another one. */
export function unpinLines(name: string): {
  readonly link: BatchLine[];
  readonly fdb: (macs: readonly string[]) => BatchLine[];
} {
  return {
    link: [
      { text: bridgeSlave(name, 'learning', BINDINGS.shared.learning) },
      { text: bridgeSlave(name, 'locked', BINDINGS.shared.locked), optional: 'the bridge has no locked ports' },
      { text: `link set dev ${name} type bridge_slave nobackup_port`, optional: 'it may have no backup port' },
    ],
    fdb: (macs) =>
      macs.map((mac) => ({ text: `fdb del ${mac} dev ${name} master`, optional: 'there was no pinned entry' })),
  };
}

/**
 * Of a port in service that was filtered and is not any more, or the other way round. What it learned while nobody
 * looked must not keep the frames of others.
 */
export function changeLines(name: string, to: 'bound' | 'unbound'): BatchLine[] {
  if (to === 'bound') {
    return [
      { text: `link set dev ${name} type bridge_slave fdb_flush`, optional: 'the bridge may know others behind it' },
    ];
  }
  return [
    { text: bridgeSlave(name, 'root_block', false), optional: 'it cannot become root of the spanning tree' },
    { text: `link set dev ${name} type bridge_slave nobackup_port`, optional: 'it may have no backup port' },
  ];
}

export function upLines(name: string): BatchLine[] {
  return [{ text: `link set dev ${name} up` }];
}

/** Takes the port out of service; every line may find that its object is gone already. */
export function leaveLines(name: string): BatchLine[] {
  return [
    { text: `link set dev ${name} down`, optional: 'already gone' },
    { text: `link set dev ${name} nomaster`, optional: 'already gone' },
  ];
}
