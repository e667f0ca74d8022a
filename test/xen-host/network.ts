import type { BootedHost, XenHost } from './xen-host.ts';

/** The bridge that guests join. */
export const BRIDGE = 'xenbr0';

/** Debian's hotplug script, or ours. */
export type Script = 'stock' | 'product';

/** The forms in which the product is installed: the bundle for Node, or the executable that brings its runtime. */
export const FORMS = ['node', 'standalone'] as const;
export type Form = (typeof FORMS)[number];

/** Where a user would have put each form in dom0. */
export const INSTALLED: Readonly<Record<Form, string>> = {
  node: '/opt/xen-vif-bridge',
  standalone: '/opt/xen-vif-bridge-standalone',
};

/** Path of a hotplug script in dom0. Ours is at the same time the program for the administrator. */
export function scriptPath(host: Pick<XenHost, 'form'>, which: Script): string {
  return which === 'stock' ? '/etc/xen/scripts/vif-bridge' : `${INSTALLED[host.form]}/xen-scripts/vif-bridge`;
}

/** Runs a command behind the uplink, where the gateway G is. */
export const atGateway = (command: string): string => `ip netns exec gw ${command}`;

/**
 * The network of the corpus: dom0 (H) on the bridge, and the gateway (G) in a namespace behind the port `up0`.
 * No multicast snooping: it would keep back frames that nobody subscribed to, which is not what is tested here.
 */
export async function makeNetwork(host: XenHost): Promise<void> {
  const { G, H } = host.corpus.hosts;
  await host.sh(`set -e
    ip link add ${BRIDGE} address ${H.mac} type bridge mcast_snooping 0
    ip address add ${H.ipv4}/24 dev ${BRIDGE}
    ip -6 address add ${H.ipv6}/64 dev ${BRIDGE} nodad
    ip link set ${BRIDGE} up
    ip netns add gw
    ip link add up0 type veth peer name eth0 netns gw address ${G.mac}
    ip link set up0 master ${BRIDGE} up
    ip -n gw link set eth0 up
    ip -n gw address add ${G.ipv4}/24 dev eth0
    ip -n gw -6 address add ${G.ipv6}/64 dev eth0 nodad`);
}

/** Ends all guests and takes away what a scenario left in dom0, so that the next one starts from an empty host. */
export async function clearHost(host: BootedHost): Promise<void> {
  await host.sh(
    `pkill -x frames
    for id in $(xl list | awk 'NR > 1 && $2 > 0 { print $2 }'); do xl destroy $id; done
    for link in $(ip -o link show type dummy | awk -F'[ :]+' '{ print $2 }'); do ip link del $link; done
    until [ "$(xl list | wc -l)" = 2 ] && ! ls -d /sys/class/net/vif* >/dev/null 2>&1; do sleep 0.2; done
    # Not with its namespace: that would take it away later, under the next scenario's hands.
    ip link del up0
    ip netns del gw
    for bridge in $(ip -o link show type bridge | awk -F'[ :]+' '{ print $2 }'); do ip link del $bridge; done
    nft flush ruleset
    rm -rf /etc/xen/vif-bridge.ini /run/xen-vif-bridge /run/watch /run/guests /var/log/xen/console/guest-*
    true`,
    180,
  );
}

/** Which hotplug script xl runs for vifs without `script=`. */
export async function useScript(host: XenHost, which: Script): Promise<void> {
  const line = which === 'stock' ? '' : `vif.default.script="${scriptPath(host, which)}"`;
  await host.sh(`printf '%s\\n' '${line}' >/etc/xen/xl.conf`);
}
