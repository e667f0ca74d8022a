import type { Family } from '../net/ip-prefix.ts';
import type { GuestNetwork, GuestNic, NicFamily } from './guest-network.ts';

/** The NICs that have something to be configured. */
export function usedNics({ nics }: GuestNetwork): readonly GuestNic[] {
  return nics.filter(({ families }) => families.length > 0);
}

/** A single address with its length: `192.0.2.5` is `192.0.2.5/32`. */
export function withLength(source: string, family: Family): string {
  return source.includes('/') ? source : `${source}/${family === 4 ? 32 : 128}`;
}

/** Every destination. */
export const EVERYWHERE: Readonly<Record<Family, string>> = { 4: '0.0.0.0/0', 6: '::/0' };

/** Behind a command of ip(8). */
const IP: Readonly<Record<Family, string>> = { 4: 'ip', 6: 'ip -6' };

/** A route of a NIC. */
export interface GuestRoute {
  /** Undefined: the default route. */
  readonly subnet?: string;
  /** Undefined: to stations on the link. */
  readonly gateway?: string;
  readonly onlink: boolean;
  /** Undefined: the main one. */
  readonly table?: number;
}

/** Its routes; those to subnets of the main table come with the addresses. */
export function routesOf({ gateway, onlink, main, table, subnets }: NicFamily): GuestRoute[] {
  const own = table === undefined ? {} : { table };
  return [
    ...(gateway !== undefined && main ? [{ gateway, onlink }] : []),
    ...(table === undefined ? [] : subnets.map((subnet) => ({ subnet, onlink: false, ...own }))),
    ...(gateway !== undefined && table !== undefined ? [{ gateway, onlink, ...own }] : []),
  ];
}

/** Commands of ip(8) for one family of a NIC that is up, but for its addresses. */
export function routeCommands(one: NicFamily, name: string): string[] {
  return routesOf(one).map(({ subnet, gateway, onlink, table }) =>
    [
      `${IP[one.family]} route add ${subnet ?? 'default'}`,
      ...(gateway === undefined ? [] : [`via ${gateway}`]),
      `dev ${name}`,
      ...(onlink ? ['onlink'] : []),
      ...(table === undefined ? [] : [`table ${table}`]),
    ].join(' '),
  );
}

/** The rules that lead to its table; they do not go with the NIC. */
export function ruleCommands({ family, table, sources }: NicFamily, what: 'add' | 'del'): string[] {
  if (table === undefined) return [];
  return sources.map((source) => `${IP[family]} rule ${what} from ${source} table ${table} priority ${table}`);
}

/** The command that adds an address. */
export function addressCommand(family: Family, address: string, name: string): string {
  return `${IP[family]} addr add ${address} dev ${name}`;
}
