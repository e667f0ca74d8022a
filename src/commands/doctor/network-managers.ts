import type { Finding, Group, Look } from './finding.ts';

/** systemd-networkd and NetworkManager, if one of them takes a port of a guest for its own. */
export const networkManagers: Group = {
  name: 'network managers',
  async look(look) {
    const { ports } = await look.status();
    return ports.flatMap(({ name }) => {
      const ifindex = look.host.readDevice(name)?.ifindex;
      return ifindex === undefined
        ? []
        : [...byNetworkd(look, name, ifindex), ...byNetworkManager(look, name, ifindex)];
    });
  },
};

/** What networkd says of a link (systemd, src/network/networkd-state-file.c). */
function byNetworkd({ read }: Look, name: string, ifindex: number): Finding[] {
  const [, state = 'unmanaged'] = /^ADMIN_STATE=(.*)$/m.exec(read(`/run/systemd/netif/links/${ifindex}`) ?? '') ?? [];
  if (['unmanaged', 'pending', 'initialized'].includes(state)) return [];
  return [
    {
      id: 'networkd-manages',
      severity: 'error',
      what: `systemd-networkd manages ${name}`,
      why: 'it gives the port another group or bridge, sooner or later: the guest is cut off then',
      fix: "printf '[Match]\\nName=vif*\\n[Link]\\nUnmanaged=yes\\n' >/etc/systemd/network/00-xen-vif.network; networkctl reload",
    },
  ];
}

/** The same of NetworkManager (src/core/nm-config.c: nm_config_device_state_write). */
function byNetworkManager({ read }: Look, name: string, ifindex: number): Finding[] {
  if (!/^managed=true$/m.test(read(`/run/NetworkManager/devices/${ifindex}`) ?? '')) return [];
  return [
    {
      id: 'network-manager-manages',
      severity: 'error',
      what: `NetworkManager manages ${name}`,
      why: 'it takes ports off their bridge and asks for addresses on them',
      fix: "printf '[keyfile]\\nunmanaged-devices=interface-name:vif*\\n' >/etc/NetworkManager/conf.d/xen-vif.conf; nmcli general reload",
    },
  ];
}
