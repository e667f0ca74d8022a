import type { BatchLine } from '../effects/batch.ts';
import { INTERFACE_NAME_MAX, type InterfaceName, parseInterfaceName } from '../net/interface-name.ts';
import { DOM0_SIDE_MAC } from '../net/mac-address.ts';
import { parseVifName } from '../net/vif-name.ts';

/**
 * The names around a tap whose guest may leave work on its frames to the kernel (a virtio_net_hdr before each).
 *
 * With NEEDS_CSUM in that header the guest names 16 bits of the frame, anywhere behind the MAC addresses, into which
 * the kernel writes a sum of its choice, and the kernel does so only when the frame leaves the host, behind every hook
 * there is. No packet filter sees the request. So the tap itself is no port: it hands every frame to `sum`, one end of
 * a veth pair that may leave no sum to others, so the frame is finished before it comes out of the other end, `port`,
 * which is the port of the bridge and bears the name by which Xen and admins know the tap.
 *
 *     guest -> raw1.0 (tap) -> sum1.0 =veth= vif1.0-emu -> bridge
 */
export interface TapSeal {
  readonly port: InterfaceName;
  /** The tap, by the name it has behind the port. */
  readonly raw: InterfaceName;
  readonly sum: InterfaceName;
}

/**
 * The names belong to domain and device as `vif1.0-emu` does, and look like no port of a guest.
 *
 * @returns undefined where a name that somebody made up leaves no room for them
 */
export function tapSeal(port: InterfaceName): TapSeal | undefined {
  const vif = parseVifName(port);
  const name = (kind: 'raw' | 'sum'): string =>
    vif === undefined ? `${port}-${kind}` : `${kind}${vif.domid}.${vif.devid}`;
  if (name('raw').length > INTERFACE_NAME_MAX) return undefined;
  const at = `the names around ${port}`;
  return { port, raw: parseInterfaceName(name('raw'), at), sum: parseInterfaceName(name('sum'), at) };
}

/** The largest there is: what limits a frame is the port's own MTU, and what the guest's driver takes. */
const UNLIMITED_MTU = 65535;

/**
 * The tap leaves its name to the new port. Both have their MAC from the beginning: systemd-udevd gives one of its own
 * to a device whose MAC is random (systemd.link(5), MACAddressPolicy).
 *
 * @param tap the name that the tap still has; undefined if it is `raw` already
 * @param pair the veth pair is to be made
 */
export function enclosingLines(
  { port, raw, sum }: TapSeal,
  tap: InterfaceName | undefined,
  pair: boolean,
): BatchLine[] {
  const silent = (name: InterfaceName): BatchLine[] => [
    { text: `link set dev ${name} arp off multicast off` },
    { text: `link set dev ${name} addrgenmode none`, optional: 'dom0 may speak to the guest behind its port' },
  ];
  return [
    ...(tap === undefined
      ? []
      : [
          { text: `link set dev ${tap} down` },
          { text: `link set dev ${tap} nomaster` },
          { text: `link set dev ${tap} name ${raw}` },
        ]),
    ...(pair
      ? [
          {
            text:
              `link add name ${port} address ${DOM0_SIDE_MAC} type veth ` +
              `peer name ${sum} address ${DOM0_SIDE_MAC} mtu ${UNLIMITED_MTU}`,
          },
        ]
      : []),
    ...silent(raw),
    ...silent(sum),
  ];
}

/**
 * `tc -batch`: what comes from the tap goes to the pair and nowhere else, and what comes from the pair to the tap. A
 * redirect whose target is gone or down drops (net/sched/act_mirred.c), and no flush of nft touches it.
 *
 * The match is true of every frame: the MAC addresses are always there to be read, what lies behind them is not.
 */
export function redirectLines({ raw, sum }: TapSeal): BatchLine[] {
  const redirect = (from: InterfaceName, to: InterfaceName): BatchLine[] => [
    { text: `qdisc replace dev ${from} clsact` },
    {
      text:
        `filter replace dev ${from} ingress protocol all pref 1 handle 800::800 ` +
        `u32 match u32 0 0 at -12 action mirred egress redirect dev ${to}`,
    },
  ];
  return [...redirect(raw, sum), ...redirect(sum, raw)];
}

/** The tap last: nothing comes from it before all is in its place. */
export function openingLines({ raw, sum }: TapSeal): BatchLine[] {
  return [{ text: `link set dev ${sum} up` }, { text: `link set dev ${raw} up` }];
}

/** Everything as it was before: the port goes with the pair, and a tap that is still there gets its name back. */
export function unsealingLines({ port, raw, sum }: TapSeal): BatchLine[] {
  return [
    { text: `link set dev ${raw} down`, optional: 'already gone' },
    { text: `link delete dev ${sum}`, optional: 'already gone' },
    { text: `link set dev ${raw} name ${port}`, optional: 'already gone' },
  ];
}
