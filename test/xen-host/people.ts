import { createGuest, type Guest, type GuestPlan } from './guest.ts';
import { BRIDGE } from './network.ts';
import type { XenHost } from './xen-host.ts';

/**
 * xl's vif string of one of the corpus' two guests, with both its addresses. @param more further keys, e.g.
 * "vifname=web0"
 */
export function vifOf(host: XenHost, who: 'A' | 'V', ...more: readonly string[]): string {
  const { mac, ipv4, ipv6 } = host.corpus.hosts[who];
  return [`mac=${mac}`, `bridge=${BRIDGE}`, `ip=${ipv4} ${ipv6}`, ...more].join(',');
}

/** The guest under test. */
export function createA(host: XenHost, plan: Partial<GuestPlan> = {}): Promise<Guest> {
  return createGuest(host, { name: 'a', vifs: [vifOf(host, 'A')], ...plan });
}

/** The other guest, who wants to be left in peace. */
export function createV(host: XenHost, plan: Partial<GuestPlan> = {}): Promise<Guest> {
  return createGuest(host, { name: 'v', vifs: [vifOf(host, 'V')], ...plan });
}

/** Gives a guest its addresses, as its own start-up scripts would. */
export async function configure(host: XenHost, guest: Guest, who: 'A' | 'V', device = 'eth0'): Promise<void> {
  const { ipv4, ipv6 } = host.corpus.hosts[who];
  await guest.sh(
    `echo 0 >/proc/sys/net/ipv6/conf/${device}/disable_ipv6
    ip link set ${device} up; ip addr replace ${ipv4}/24 dev ${device}; ip addr replace ${ipv6}/64 dev ${device}`.replaceAll(
      '\n',
      ';',
    ),
  );
}

/** Pings from a guest; the empty text if it is answered, else what ping said. Neighbour discovery gets its time. */
export async function pingFrom(guest: Guest, address: string): Promise<string> {
  const ping = address.includes(':') ? 'ping6' : 'ping';
  const command = `n=0; until ${ping} -c 1 -W 2 ${address}; do n=$((n + 1)); [ $n -lt 6 ] || exit 1; done`;
  return guest.sh(command).then(
    () => '',
    (error: Error) => error.message,
  );
}
