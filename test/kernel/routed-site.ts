import { join } from 'node:path';
import { createNamespace, type Namespace } from '../lab/namespace.ts';
import { type Dom0, type Dom0Options, type Guest, openDom0, type Scope } from './dom0.ts';
import { FORWARDING, openNearAndFar } from './near-and-far.ts';

/** The script of routed vifs, beside the launcher that is tested. */
export function routeScript(launcher: string): string {
  return join(launcher, '..', 'vif-route');
}

/** What Xen runs for a vif of netback. */
export const ONLINE = { args: ['mode=route', 'online', 'type_if=vif'] };
export const OFFLINE = { args: ['mode=route', 'offline', 'type_if=vif'] };

/** What a command says on dom0, which has to work. */
export function text(dom0: Dom0, command: string): Promise<string> {
  return dom0.ns.check(command.split(' '));
}

/** A host that routes for its guests, a station in its own network, and one behind a router of that. */
export interface RoutedSite {
  readonly dom0: Dom0;
  /** Has 10.0.0.50 and fd00::50 in the subnets of the uplink `br0` (10.0.0.1, fd00::1). */
  readonly near: Namespace;
  /** Has 203.0.113.9 and 2001:db8:ffff::9, behind dom0's second device `out0`. */
  readonly far: Namespace;
  /** The guest of a vif in a network of its own, with its MAC, up, and nothing configured. */
  guest(name: string, mac: string): Promise<Namespace>;
  /** libxl's environment for a routed vif. */
  start(guest: Guest): Promise<void>;
}

export interface RoutedOptions extends Dom0Options {
  /** Not forwarding. */
  readonly quiet?: true;
}

export async function openRoutedSite(t: Scope, options: RoutedOptions = {}): Promise<RoutedSite> {
  const dom0 = await openDom0(t, options);
  const forwarding = options.quiet === true ? [] : FORWARDING;
  const routes = ['ip route add default via 10.0.0.1', 'ip -6 route add default via fd00::1'];
  const { near, far } = await openNearAndFar(t, dom0, { dom0: forwarding, near: routes });
  return {
    dom0,
    near,
    far,
    async guest(name, mac) {
      const guest = await createNamespace(name);
      t.after(() => guest.remove());
      const nic = name.replace(/^vif/, 'guest');
      await dom0.ns.check(['ip', 'link', 'set', nic, 'netns', guest.name]);
      await guest.check(['sh', '-e'], {
        input: [
          `ip link set ${nic} name eth0 address ${mac} mtu 1500 arp on addrgenmode eui64`,
          'echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6',
          'ip link set eth0 up',
        ].join('\n'),
      });
      return guest;
    },
    async start(config) {
      const { domid, devid = 0 } = config;
      dom0.configure({ gatewaydev: 'br0', ...config });
      await dom0.bench.addVif(`vif${domid}.${devid}`);
      const result = await dom0.hotplug('online', { domid, devid }, ONLINE);
      if (result.status !== 0) throw new Error(`${dom0.key(domid, 'hotplug-error')} ${result.stderr}`);
    },
  };
}
