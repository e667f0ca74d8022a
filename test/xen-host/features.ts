import type { BootedHost } from './xen-host.ts';

const nft = (...lines: readonly string[]): string => `nft -c -f - <<'END'\n${lines.join('\n')}\nEND\n`;
const bridgeRule = (rule: string): string =>
  nft(
    'add table bridge probe',
    'add chain bridge probe c { type filter hook prerouting priority 0; }',
    `add rule bridge probe c ${rule}`,
  );
const netdev = (hook: string): string =>
  nft('add table netdev probe', `add chain netdev probe c { type filter hook ${hook} device lo priority 0; }`);

/**
 * What a dom0's kernel and tools may have or lack for a filter on a bridge, and a script that succeeds where it is
 * there.
 */
const FEATURES: Readonly<Record<string, string>> = {
  'netdev ingress': netdev('ingress'),
  'netdev egress': netdev('egress'),
  'meta ibrname': bridgeRule('meta ibrname xenbr0 accept'),
  'bridge conntrack': bridgeRule('ct state established accept'),
  'locked bridge ports': `ip link add probe0 type bridge && ip link add probe1 type veth && ip link set probe1 master probe0 &&
    bridge link set dev probe1 locked on; status=$?; ip link del probe1; ip link del probe0; exit $status`,
  'legacy ebtables': 'ebtables-legacy -t nat -L >/dev/null; status=$?; rmmod ebtable_nat; exit $status',
};

/** One line that says which of them this host has. Leaves nothing behind. */
export async function hostFeatures(host: BootedHost): Promise<string> {
  const found: string[] = [];
  for (const [name, probe] of Object.entries(FEATURES)) {
    const { status, stderr } = await host.run(probe, 30);
    found.push(`${name} ${status === 0 ? 'yes' : `NO (${stderr.trim().split('\n')[0] ?? `status ${status}`})`}`);
  }
  const versions = await host.run('uname -r; nft --version; ip -V', 30);
  return `${found.join(', ')}\n${versions.stdout.trim().replaceAll('\n', ', ')}`;
}
