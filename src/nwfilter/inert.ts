import type { RuleDirection } from '../rules/rule.ts';
import { chainKind } from './document.ts';
import { isLayer2, type RuleInstance } from './instance.ts';

const STRANGE: Readonly<Record<string, string>> = {
  vlan: 'frames with a VLAN tag are dropped before, and no word of the policy opens them',
  stp: 'STP is dropped before, and no word of the policy opens it',
};

/** Why a rule can have no effect behind our own filter, with the word of the policy that would give it one. */
export function inertReason(instance: RuleInstance, direction: RuleDirection): string | undefined {
  const { rule, asks, chain } = instance;
  const { protocol, action, way } = rule;
  if (protocol !== undefined && STRANGE[protocol] !== undefined) return STRANGE[protocol];
  const strange = STRANGE[chainKind(chain) ?? ''];
  if (strange !== undefined && isLayer2(instance)) return strange;
  if (action === 'continue') return 'continue does nothing';
  if (way === 'inout' && asks.has('type') && !isLayer2(instance)) {
    return "libvirt makes nothing of a type of ICMP in both directions: write direction='in' and 'out'";
  }
  // What is dropped here was perhaps dropped before: that is no surprise to anybody.
  if (action !== 'accept' && action !== 'return') return undefined;
  const type = asks.get('protocolid');
  if (type?.value.kind === 'number' && !type.negated && ![0x0800, 0x0806, 0x86dd].includes(type.value.value)) {
    const text = `0x${type.value.value.toString(16).padStart(4, '0')}`;
    if (type.value.value === 0x8035) return 'RARP is dropped before, but for the announcement after a migration';
    if (type.value.value === 0x8100) return STRANGE.vlan;
    return `frames of type ${text} are dropped before; allow = ethertype:${text} would let them pass`;
  }
  if (direction !== 'out') return undefined;
  const port = (name: string): number | undefined => {
    const value = asks.get(name)?.value;
    return value?.kind === 'number' && !asks.get(name)?.negated ? value.value : undefined;
  };
  if (port('srcportstart') === 67 && port('dstportstart') === 68) {
    return 'answers of a DHCP server are dropped before; allow = dhcp-server would let them pass';
  }
  if ((protocol === 'icmpv6' || protocol === 'ipv6') && port('type') === 134) {
    return 'router advertisements are dropped before; allow = router-advertisement would let them pass';
  }
  const source = asks.get('srcmacaddr');
  if (source !== undefined && source.value.kind === 'mac' && !source.negated && !asks.has('srcmacmask')) {
    return 'only its own MAC may be its source; extra_macs = ... gives it another one';
  }
  return undefined;
}

/** The one filter that libvirt's documents tell everybody to use. */
export const CLEAN_TRAFFIC = 'clean-traffic';

/** What an admin should know who takes a filter over. */
export function programNotes(name: string, all: readonly RuleInstance[]): string[] {
  const negatedLists = all.filter(({ rule }) =>
    [...rule.asks.values()].some(({ value, negated }) => negated && value.kind === 'variable'),
  );
  const several = new Map<unknown, number>();
  for (const { rule } of negatedLists) several.set(rule, (several.get(rule) ?? 0) + 1);
  const dropsAll = all.some(
    ({ rule, chain }) => chain === 'root' && rule.protocol === undefined && rule.action === 'drop',
  );
  const takes6 = all.some(
    ({ rule, asks, chain }) =>
      (rule.action === 'accept' || rule.action === 'return') &&
      (rule.protocol === 'ipv6' ||
        (chain.startsWith('ipv6') && rule.action === 'accept') ||
        isType(asks.get('protocolid')?.value, 0x86dd)),
  );
  return [
    ...[...several].flatMap(([, count]) =>
      count > 1 ? [`nwfilter ${name}: match='no' with a list of values drops everything, as in libvirt`] : [],
    ),
    ...(name === CLEAN_TRAFFIC
      ? [`nwfilter ${name}: a guest with assigned IPv6 addresses keeps IPv6, which libvirt would drop`]
      : []),
    ...(dropsAll && !takes6 && name !== CLEAN_TRAFFIC
      ? [`nwfilter ${name}: it lets no IPv6 pass, as in libvirt, neighbour discovery included`]
      : []),
  ];
}

function isType(value: { readonly kind: string; readonly value?: unknown } | undefined, type: number): boolean {
  return value?.kind === 'number' && value.value === type;
}
