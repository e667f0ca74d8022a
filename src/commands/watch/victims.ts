import type { Host } from '../../host.ts';
import { contains, parsePrefix } from '../../net/ip-prefix.ts';
import { neighbourhood } from '../../port/neighbourhood.ts';
import type { PortStatus } from '../status.ts';
import type { Claim } from './claims.ts';

/** Whose it is that somebody claims, as far as this host knows: another guest's, the gateway's, its own. */
export function victimOf(
  { kind, value }: Claim,
  offender: PortStatus,
  ports: readonly PortStatus[],
  { netTable }: Pick<Host, 'netTable'>,
): string | undefined {
  const others = ports.filter((port) => port.device !== offender.device && port.mac !== offender.mac);
  if (kind === 'mac') return nameOf(others.find(({ mac }) => mac === value));
  const address = parsePrefix(value);
  if (kind !== 'address' || address === undefined) return undefined;
  const holds = (text: string): boolean => {
    const prefix = parsePrefix(text);
    return prefix !== undefined && contains(prefix, address);
  };
  const port = others.find(({ addresses, learned }) =>
    [...addresses, ...learned.map((one) => one.address)].some(holds),
  );
  if (port !== undefined) return nameOf(port);
  const near = neighbourhood(netTable, offender.bridge ?? '');
  if (near.gateways.some(({ text }) => text === address.text)) return 'the gateway';
  return near.host.some(({ text }) => text === address.text) ? 'this host' : undefined;
}

function nameOf(port: PortStatus | undefined): string | undefined {
  if (port === undefined) return undefined;
  return port.guest?.name === undefined ? port.name : `${port.guest.name} (${port.name})`;
}
