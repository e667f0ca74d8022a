import { createNamespace, type Namespace } from '../lab/namespace.ts';
import type { Dom0, Scope } from './dom0.ts';

/** Two stations that dom0 reaches. */
export interface NearAndFar {
  /** Has 10.0.0.50 and fd00::50 on dom0's bridge, in the place of its gateway. */
  readonly near: Namespace;
  /** Has 203.0.113.9 and 2001:db8:ffff::9, behind dom0's second device `out0`. */
  readonly far: Namespace;
}

/** What makes dom0 a router. */
export const FORWARDING = [
  'echo 1 >/proc/sys/net/ipv4/ip_forward',
  'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding',
] as const;

/** @param more commands for the shell: in front of what is set up in dom0, and behind what is in `near` */
export async function openNearAndFar(
  t: Scope,
  dom0: Dom0,
  more: { readonly dom0: readonly string[]; readonly near?: readonly string[] },
): Promise<NearAndFar> {
  const [near, far] = [await createNamespace('near'), await createNamespace('far')];
  t.after(() => Promise.all([near.remove(), far.remove()]));
  await dom0.ns.check(['sh', '-e'], {
    input: [
      ...more.dom0,
      `ip link set ${dom0.bench.gateway} netns ${near.name}`,
      `ip link add out0 type veth peer name eth0 netns ${far.name}`,
      'ip addr add 203.0.113.1/24 dev out0',
      'ip addr add 2001:db8:ffff::1/64 dev out0 nodad',
      'ip link set out0 up',
    ].join('\n'),
  });
  await near.check(['sh', '-e'], {
    input: [
      `ip link set ${dom0.bench.gateway} name eth0`,
      'echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6',
      'ip link set eth0 arp on addrgenmode eui64 up',
      'ip addr add 10.0.0.50/24 dev eth0',
      'ip addr add fd00::50/64 dev eth0 nodad',
      ...(more.near ?? []),
    ].join('\n'),
  });
  await far.check(['sh', '-e'], {
    input: [
      'ip link set eth0 up',
      'ip addr add 203.0.113.9/24 dev eth0',
      'ip addr add 2001:db8:ffff::9/64 dev eth0 nodad',
      'ip route add default via 203.0.113.1',
      'ip -6 route add default via 2001:db8:ffff::1',
    ].join('\n'),
  });
  return { near, far };
}
