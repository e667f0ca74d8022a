import type { Finding, Group, Look } from './finding.ts';

/** The bridges that guests are on, or would be. */
export const bridges: Group = {
  name: 'bridges',
  look(look) {
    const { host } = look;
    return host
      .deviceNames()
      .flatMap((name) => host.readDevice(name) ?? [])
      .filter(({ isBridge }) => isBridge)
      .flatMap(({ name, vlanFiltering }) => [
        ...forwardDelay(look, name),
        ...groupForwarding(look, name),
        ...(vlanFiltering ? [vlanAware(name)] : []),
      ]);
  },
};

function setting({ read }: Look, bridge: string, file: string): number {
  return Number(read(`/sys/class/net/${bridge}/bridge/${file}`)?.trim() ?? 0);
}

/** Jiffies in USER_HZ, 100 a second. With or without STP: net/bridge/br_stp.c, br_make_forwarding. */
function forwardDelay(look: Look, bridge: string): Finding[] {
  const delay = setting(look, bridge, 'forward_delay') / 100;
  if (delay === 0) return [];
  const stp = setting(look, bridge, 'stp_state') !== 0;
  const silent = stp ? 2 * delay : delay;
  return [
    {
      id: 'forward-delay',
      severity: 'warning',
      what: `${bridge} has a forward delay of ${delay} s${stp ? ', and STP is on' : ''}`,
      why: `a guest that starts is connected but silent for ${silent} s: DHCP, PXE and address checks of its boot fail`,
      fix: stp
        ? `ip link set ${bridge} type bridge stp_state 0 forward_delay 0, if this bridge is in no loop`
        : `ip link set ${bridge} type bridge forward_delay 0 (and where the bridge is made: bridge_fd 0)`,
    },
  ];
}

function groupForwarding(look: Look, bridge: string): Finding[] {
  const mask = Number.parseInt(look.read(`/sys/class/net/${bridge}/bridge/group_fwd_mask`)?.trim() ?? '0', 16);
  if (mask === 0) return [];
  return [
    {
      id: 'group-forwarding',
      severity: 'note',
      what: `${bridge} forwards link-local groups (group_fwd_mask 0x${mask.toString(16)}): LLDP, EAPOL or LACP`,
      why: 'guests neither send nor hear them all the same, but ports that are not ours do',
      fix: `ip link set ${bridge} type bridge group_fwd_mask 0`,
    },
  ];
}

function vlanAware(bridge: string): Finding {
  return {
    id: 'vlan-aware',
    severity: 'note',
    what: `${bridge} filters VLANs`,
    why: 'ports of guests learn there in place of being locked; after bridge vlan add the new VLAN has no fixed entry',
    fix: 'vif-bridge reapply VIF, after each change of the VLANs of its port',
  };
}
