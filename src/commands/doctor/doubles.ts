import { asFailure } from '../../errors.ts';
import { isHost } from '../../net/ip-prefix.ts';
import { parseMac } from '../../net/mac-address.ts';
import type { PortStatus } from '../status.ts';
import type { Finding, Group } from './finding.ts';
import { type ConfiguredNic, configuredNics, listOf } from './guest-configs.ts';

/** Who says that a MAC or an address is his. */
interface Claim {
  readonly guest: string;
  readonly at: string;
  readonly macs: readonly string[];
  readonly addresses: readonly string[];
}

/** MACs and addresses that two guests have, of those that run and those that are configured. */
export const doubles: Group = {
  name: 'MACs and addresses of all guests',
  async look(look) {
    const { ports } = await look.status();
    const claims = [...ports.flatMap(ofPort), ...configuredNics(look).map(ofConfig)];
    const shared = new Set(ports.flatMap((port) => port.shared));
    return [
      ...doubled(claims, ({ macs }) => macs).map(
        ([mac, who]): Finding => ({
          id: 'double-mac',
          severity: 'error',
          what: `${mac} is the MAC of ${who.join(' and of ')}`,
          why: 'on one bridge the second one is refused; on two hosts each takes frames of the other',
          fix: 'give one of them another mac=, and start it anew',
        }),
      ),
      ...doubled(claims, ({ addresses }) => addresses)
        .filter(([address]) => !shared.has(address))
        .map(
          ([address, who]): Finding => ({
            id: 'double-address',
            severity: 'warning',
            what: `${address} is given to ${who.join(' and to ')}`,
            why: 'both may answer for it; on one bridge the second one is refused',
            fix: `take it from one of them; if it is meant: shared = ${address} in the policy of both`,
          }),
        ),
    ];
  },
};

function ofPort(port: PortStatus): Claim[] {
  const { mac, guest, name, addresses } = port;
  if (mac === undefined || guest?.name === undefined) return [];
  return [{ guest: guest.name, at: name, macs: [mac], addresses: addresses.filter(isSingle) }];
}

function ofConfig({ guest, at, keys }: ConfiguredNic): Claim {
  const list = listOf(keys.get('ip') ?? '', at);
  const prefixes = typeof list === 'string' ? [] : [...list.ipv4, ...list.ipv6];
  return { guest, at, macs: macsOf(keys.get('mac'), at), addresses: prefixes.filter(isHost).map(({ text }) => text) };
}

function macsOf(mac: string | undefined, at: string): string[] {
  try {
    return mac === undefined ? [] : [parseMac(mac, at)];
  } catch (error) {
    // Another group tells of it.
    if (asFailure(error).code !== 'input') throw error;
    return [];
  }
}

/** Link-local addresses are of a link only, and a block is told by others. */
function isSingle(address: string): boolean {
  return !address.includes('/') && !address.startsWith('fe80:');
}

/** What several guests have, and each of them with where it says so. A guest that runs and its own file are one. */
function doubled(claims: readonly Claim[], of: (claim: Claim) => readonly string[]): [string, string[]][] {
  const owners = new Map<string, Map<string, string>>();
  for (const claim of claims) {
    for (const what of of(claim)) {
      const known = owners.get(what) ?? new Map<string, string>();
      if (!known.has(claim.guest)) known.set(claim.guest, `${claim.guest} (${claim.at})`);
      owners.set(what, known);
    }
  }
  return [...owners].flatMap(([what, who]): [string, string[]][] => (who.size < 2 ? [] : [[what, [...who.values()]]]));
}
