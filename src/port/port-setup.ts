import type { BatchLine } from '../effects/batch.ts';
import { DOM0_SIDE_MAC, type MacAddress } from '../net/mac-address.ts';

/** How a port is to be joined to its bridge. */
export interface PortSetup {
  readonly device: string;
  readonly name: string;
  /** Interface group: see guest-group.ts. */
  readonly group: number;
  readonly bridge: string;
  readonly mac: MacAddress;
  /** Bytes; 0 leaves it alone. */
  readonly mtu: number;
  /** True to rename the device; false if it already has its final name. */
  readonly rename: boolean;
  /**
   * - `pinned`: one port, one MAC: the bridge learns nothing from it and knows its owner for ever;
   * - `shared`: several ports with one MAC (HVM pair, stub domain, localhost migration): the bridge learns where the
   *   guest talks now. The filter drops every foreign source before the bridge sees it;
   * - `open`: unrestricted, as stock leaves it.
   */
  readonly binding: 'pinned' | 'shared' | 'open';
  /** The backend cannot drop link-local frames at the device itself: the bridge is to learn nothing from them. */
  readonly quietLinkLocal?: boolean;
}

/** Before the port joins: link down, name, address, MTU. Stock: setup_virtual_bridge_port, set_mtu. */
export function prepareLines(setup: PortSetup): BatchLine[] {
  const { device, name } = setup;
  return [
    { text: `link set dev ${setup.rename ? device : name} down` },
    ...(setup.rename ? [{ text: `link set dev ${device} name ${name}` }] : []),
    // So that people and later runs know it again, whatever became of the saved state.
    ...(name === device
      ? []
      : [{ text: `link set dev ${name} alias ${device}`, optional: 'its first name is forgotten' }]),
    // The bridge takes the lowest MAC of its ports (br_stp_recalculate_bridge_id); this is the highest.
    { text: `link set dev ${name} address ${DOM0_SIDE_MAC}`, optional: 'the MAC of dom0 side stays as it is' },
    {
      text: `link set dev ${name} addrgenmode none`,
      optional: 'dom0 may give itself a link-local address on the port',
    },
    { text: `address flush dev ${name}`, optional: 'addresses of dom0 stay on the port' },
    ...(setup.mtu > 0 ? [{ text: `link set dev ${name} mtu ${setup.mtu}`, optional: `the MTU stays as it is` }] : []),
  ];
}

/**
 * Joins the bridge and hardens the port, still down.
 *
 * Learning off keeps link-local frames (LACP, EAPOL, LLDP), which no bridge hook sees in time, from moving FDB entries;
 * `locked` makes the bridge itself drop foreign sources (kernel 5.18); `root_block` keeps a guest from becoming the
 * spanning tree's root if somebody switches STP on.
 */
export function joinLines(setup: PortSetup): BatchLine[] {
  const slave = `link set dev ${setup.name} type bridge_slave`;
  const pinned = setup.binding === 'pinned';
  return [
    ...(setup.quietLinkLocal === true ? bridgeLinkLocalLines(setup.bridge) : []),
    // The rules know the port by it, so it comes before the bridge.
    { text: `link set dev ${setup.name} group ${setup.group}` },
    { text: `link set dev ${setup.name} master ${setup.bridge}` },
    { text: `${slave} learning ${pinned ? 'off' : 'on'}` },
    { text: `${slave} locked ${pinned ? 'on' : 'off'}`, optional: 'the bridge has no locked ports (kernel 5.18)' },
    ...(setup.binding === 'open'
      ? []
      : [{ text: `${slave} root_block on`, optional: 'a guest could become root if STP is switched on' }]),
  ];
}

/**
 * The bridge learns no address from frames to 01:80:c2:00:00:0x (kernel 5.0, BR_BOOLOPT_NO_LL_LEARN): where the port
 * learns and no chain at the device drops them, they would move entries unseen. Neighbours lose nothing by it, they also
 * send other frames. It stays set: other ports may need it.
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
 * The forwarding entry. Sticky: a plain static entry moves to whatever port forges one frame (measured; commit
 * 435f2e7cc0b7, kernel 4.20). A shared MAC has none: the bridge learns it.
 */
export function fdbLines(setup: PortSetup): BatchLine[] {
  if (setup.binding !== 'pinned') return [];
  return [{ text: `fdb replace ${setup.mac} dev ${setup.name} master static sticky` }];
}

/** Makes a pinned port that already works share its MAC with another one. */
export function unpinLines(name: string): {
  readonly link: BatchLine[];
  readonly fdb: (mac: MacAddress) => BatchLine[];
} {
  return {
    link: [
      { text: `link set dev ${name} type bridge_slave learning on` },
      { text: `link set dev ${name} type bridge_slave locked off`, optional: 'the bridge has no locked ports' },
    ],
    fdb: (mac) => [{ text: `fdb del ${mac} dev ${name} master`, optional: 'there was no pinned entry' }],
  };
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
