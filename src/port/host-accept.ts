/** The programs whose FORWARD chain bridged packets pass where br_netfilter hands them over. */
export const HOST_FILTERS = ['iptables', 'ip6tables'] as const;
export type HostFilter = (typeof HOST_FILTERS)[number];

/** Another run, or a daemon, may hold the lock of iptables. */
const WAITING = ['-w', '3'] as const;

/**
 * The rules that stock puts for a vif (vif-common.sh: frob_iptable), without addresses: those are asked before, by
 * rules of our own. `-w` is iptables' own lock.
 */
export function hostAccepts(how: '-I' | '-D' | '-C', port: string): readonly (readonly string[])[] {
  return (['--physdev-in', '--physdev-out'] as const).map((side) => [
    ...[...WAITING, how, 'FORWARD', '-m', 'physdev', '--physdev-is-bridged'],
    ...[side, port, '-j', 'ACCEPT'],
  ]);
}

/** Lists the chain. */
export const LIST_FORWARD: readonly string[] = [...WAITING, '-S', 'FORWARD'];

/** True if a frame that no rule takes is dropped, or some rule drops any: by Docker, ufw, firewalld of old. */
export function forwardDrops(listed: string): boolean {
  return /^-P FORWARD DROP$|^-A FORWARD .*-j (?:DROP|REJECT)/m.test(listed);
}
