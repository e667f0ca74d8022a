import { isNotInstalled } from '../../effects/exec.ts';
import type { Finding, Group, Look } from './finding.ts';

/**
 * DNAT that leads back to the port it came from: with bridge-nf-call-iptables the answer is bridged back, with the
 * guest's own MAC as source, and no bridge hands a frame out by the port it came in (measured: docs/operations.md).
 */
export const destinationNat: Group = {
  name: 'DNAT to guests',
  async look(look) {
    const { ports } = await look.status();
    const guests = new Map(
      ports
        .filter(({ allow }) => !allow.includes('hairpin'))
        .flatMap((port) =>
          [...port.addresses, ...port.learned.map(({ address }) => address)].map((one) => [one, port]),
        ),
    );
    if (guests.size === 0 || !look.bridgedToIptables()) return [];
    const targets = new Set([...(await iptablesTargets(look)), ...(await nftTargets(look))]);
    return [...targets].flatMap((address): Finding[] => {
      const port = guests.get(address);
      if (port === undefined) return [];
      return [
        {
          id: 'dnat-back',
          severity: 'warning',
          what: `DNAT leads to ${address}, of ${port.name}, and bridged packets pass iptables`,
          why: 'what this guest sends to its own public address vanishes: it would leave by the port it came from',
          fix: 'sysctl net.bridge.bridge-nf-call-iptables=0, unless Docker or physdev rules need it; else split DNS, or allow = hairpin for the guest',
        },
      ];
    });
  },
};

/** Addresses that iptables' rules translate to, whichever variant holds them. */
async function iptablesTargets({ host }: Look): Promise<string[]> {
  try {
    const { status, stdout } = await host.run('iptables-save', ['-t', 'nat'], { lockless: true });
    if (status !== 0) return [];
    return [...stdout.matchAll(/ -j DNAT --to-destination ([\d.]+)/g)].flatMap(([, address]) => address ?? []);
  } catch (error) {
    if (isNotInstalled(error)) return [];
    throw error;
  }
}

/** The same of nft's own rules; iptables' rules are no `dnat` there. */
async function nftTargets(look: Look): Promise<string[]> {
  const tables = new Set(
    (await look.chains())
      .filter(({ type, family }) => type === 'nat' && (family === 'ip' || family === 'inet'))
      .map(({ family, table }) => `${family} ${table}`),
  );
  const targets: string[] = [];
  for (const table of tables) {
    const { status, stdout } = await look.host.run('nft', ['-j', 'list', 'table', ...table.split(' ')], {
      lockless: true,
    });
    if (status !== 0) continue;
    for (const [, address] of stdout.matchAll(/"dnat": \{[^}]*"addr": "([\d.]+)"/g)) targets.push(address ?? '');
  }
  return targets;
}
