import { DEFAULT_LEARN_SECONDS } from '../../filter/learning.ts';
import type { Direction, Reason } from '../../filter/reasons.ts';
import { droppedBy, type Match, type Stage } from '../../filter/stage.ts';
import { STAGES } from '../../filter/stages.ts';
import { ETHERTYPE, LINK_LOCAL_MAC, STP_MAC } from '../../filter/wire.ts';
import { GUEST_PORTS } from '../../net/vif-name.ts';
import type { Policy } from '../../policy/policy.ts';
import { type SharedPolicy, sharedName, sharedPolicies } from '../../policy/shared-rules.ts';
import { FIRST_GUEST_GROUP, GUEST_GROUP_MASK } from '../../port/guest-group.ts';
import { sharedDigest } from '../shared-digest.ts';
import { type Behind, FILTERS_BEHIND, OBSERVED_BEHIND, RULES_BEHIND } from './behind.ts';
import { someObserved } from './counted-frames.ts';
import { declareFlows, FLOW_SETS } from './flow-sets.ts';
import { renderFlows, someHaveRules } from './flows.ts';
import { renderGates, someAreGated } from './gates.ts';
import { INDEX_HASH } from './index-hash.ts';
import { renderLearnedSet, renderLearning, someLearn } from './learning.ts';
import { declareOwn, NAME, PORT, PORTS_SET } from './own.ts';
import { renderQuick } from './quick.ts';
import { rareWords, withRare } from './rare-words.ts';
import { declareRations } from './rations.ts';
import { declareRejections, renderRejections } from './rejections.ts';
import { dropChain, type OtherChain, renderDropChain, renderMatch, renderStages, stageChain } from './stages.ts';
import { declareTracking, someHaveFilters, TRACKED_SETS } from './tracked-sets.ts';
import { renderNotes } from './tracking.ts';

/** Our tables. Nothing else in the kernel's ruleset is ever touched. */
export const TABLE = 'bridge xen-vif';
export const INGRESS_TABLE = 'netdev xen-vif';

/** What a port is: of a bridge, or a device that this host routes for. */
export type PortPlace = 'bridge' | 'device';

/** The most (port, reason) pairs the kernel counts; beyond that frames are still dropped, just not counted. */
const DROPS_SIZE = 1_000_000;
/**
 * The same for ports that nobody has configured; nobody takes their counters away either, so they end by themselves.
 */
const UNMANAGED_DROPS_SIZE = 65_535;
const UNMANAGED_DROPS = `size ${UNMANAGED_DROPS_SIZE}; flags dynamic,timeout; timeout 1d; counter`;

/** The sets that frames themselves fill. */
export const FILLED_SETS: readonly { readonly set: string; readonly size: number }[] = [
  { set: 'drops', size: DROPS_SIZE },
  { set: 'drops-unmanaged', size: UNMANAGED_DROPS_SIZE },
  ...[...FLOW_SETS, ...TRACKED_SETS].map(({ name, size }) => ({ set: name, size })),
];

/** Ports that pass unfiltered although `unmanaged = closed`; there is no such set with `open`. */
export const EXEMPT_SET = 'exempt';

/** What of the policy the base is made with. */
export type BasePolicy = Omit<SharedPolicy<'nftables'>, 'learn_timeout'> &
  Partial<Pick<Policy, 'sections' | 'learn_timeout'>>;

/**
 * The part all vifs share, as one `table` block: hooks, stages, counters. Loading it again changes nothing but adds the
 * rules a second time, so it always follows a `flush table` or a `delete table` in the same transaction.
 *
 * Hooks: prerouting is before the bridge learns a source address; frames to link-local groups skip it and are only seen
 * by input; postrouting sees forwarded and dom0's own frames; what the bridge itself sends (STP) is only in output.
 * Measured on 6.18; netfilter's order is in net/bridge/br_input.c: br_handle_frame. Priority -200 is "filter" of the
 * bridge family (NF_BR_PRI_FILTER_BRIDGED).
 *
 * @param neighbours ports that are nobody's guest, known by their names for speed alone
 * @param place `device`: each has hooks of its own (device-text.ts), and none is here
 */
export function renderBase(
  sentinel: string,
  policy: BasePolicy,
  neighbours: readonly string[] = [],
  place: PortPlace = 'bridge',
): string {
  const routed = place === 'device';
  const learning = !routed && someLearn(policy);
  const ruled = someHaveRules(policy);
  const filtered = someHaveFilters(policy);
  const gated = someAreGated(policy);
  const marks = (ruled || filtered) && someObserved(policy);
  const rare = rareWords(policy);
  const stages = { 'from-guest': withRare(STAGES['from-guest'], rare), 'to-guest': withRare(STAGES['to-guest'], rare) };
  const early = [
    ...(['link-local', 'rule'] as const),
    ...(ruled || filtered ? (['rule-flood'] as const) : []),
    ...(gated ? (['gateway'] as const) : []),
  ];
  return [
    `table ${TABLE} {`,
    '  # Who has what. Keys are interface groups, one for each port (1073741824 and its index).',
    ...declareOwn([...(ruled ? ['ruled' as const] : []), ...(filtered ? ['filtered' as const] : [])]).map(
      (line) => `  ${line}`,
    ),
    '  # What DHCP servers gave, by port and address.',
    renderLearnedSet(policy.learn_timeout ?? DEFAULT_LEARN_SECONDS),
    ...(ruled ? declareFlows().map((line) => `  ${line}`) : []),
    ...(filtered ? declareTracking().map((line) => `  ${line}`) : []),
    ...(ruled || filtered ? [...declareRejections(), declareRations()].map((line) => `  ${line}`) : []),
    '  # What was dropped, by port and reason (the numbers are in src/filter/reasons.ts).',
    `  set drops { type devgroup . mark; size ${DROPS_SIZE}; flags dynamic; counter; }`,
    `  set drops-unmanaged { type ifname . mark; ${UNMANAGED_DROPS}; }`,
    ...(policy.unmanaged === 'open'
      ? []
      : ['  # Ports that Xen started with another script.', `  set ${EXEMPT_SET} { ${INDEX_HASH.type}; }`]),
    '',
    '  # Exists only in the table that belongs to the saved state; every change names it first.',
    `  chain ${sentinel} {`,
    '  }',
    '',
    ...dropChains('from-guest', stages['from-guest'], early, marks),
    ...dropChains('to-guest', stages['to-guest'], early, marks),
    '',
    ...(ruled || filtered ? renderRejections() : []),
    ...(ruled ? [...renderFlows('from-guest'), ...renderFlows('to-guest')] : []),
    ...renderStages('from-guest', stages['from-guest'], { learning }),
    ...renderStages('to-guest', stages['to-guest'], { learning }),
    ...(gated ? [...renderGates('from-guest'), ...renderGates('to-guest')] : []),
    ...renderQuick('from-guest', stages['from-guest'], { learning, gated, routed }),
    ...renderQuick('to-guest', stages['to-guest'], { learning, gated, routed }),
    ...(learning ? renderLearning(policy.learn_timeout ?? DEFAULT_LEARN_SECONDS, isOurs) : []),
    ...(ruled && place === 'bridge' ? renderBehind(RULES_BEHIND, marks) : []),
    ...(filtered ? [...renderNotes('from-guest'), ...renderNotes('to-guest')] : []),
    ...(filtered && place === 'bridge' ? renderBehind(FILTERS_BEHIND, marks) : []),
    ...(marks && place === 'bridge' ? renderBehind(OBSERVED_BEHIND, marks) : []),
    ...(place === 'bridge' ? renderHooks(policy, neighbours) : []),
    '}',
  ].join('\n');
}

function renderHooks(policy: BasePolicy, neighbours: readonly string[]): string[] {
  return [
    ...renderLinkLocal('from-guest', { lldp: rareWords(policy).includes('lldp'), observed: someObserved(policy) }),
    ...renderLinkLocal('to-guest', { lldp: false, observed: false }),
    ...(policy.unmanaged === 'open' ? [] : [...renderUnconfigured('from-guest'), ...renderUnconfigured('to-guest')]),
    ...hook('prerouting', 'from-guest', 'quick', policy, neighbours),
    ...hook('postrouting', 'to-guest', 'quick', policy, neighbours),
    ...hook('input', 'from-guest', 'link-local', policy, neighbours),
    ...hook('output', 'to-guest', 'link-local', policy, neighbours),
  ];
}

/** A short name for one version of the base: a program that prints another base must not build upon this one. */
export function baseDigest(policy: BasePolicy): string {
  const { sections } = policy;
  const print: Parameters<typeof sharedDigest<'nftables'>>[2] = (one) =>
    renderBase('', sections === undefined ? one : { ...one, sections });
  return sharedDigest('nftables', { learn_timeout: DEFAULT_LEARN_SECONDS, ...policy }, print, baseParts(policy));
}

/** For the build: the digest of every base with these sections that can be listed, by its name. */
export function namedDigests(sections: Policy['sections']): [name: string, digest: string][] {
  return sharedPolicies('nftables').map((policy) => [
    sharedName('nftables', policy, baseParts({ sections })),
    baseDigest({ ...policy, sections }),
  ]);
}

/** What the base has only where some vif asks for it. */
export function baseParts(policy: Pick<BasePolicy, 'sections'>): string[] {
  return [
    ...(someLearn(policy) ? ['learning'] : []),
    ...(someHaveRules(policy) ? ['rules'] : []),
    ...(someHaveFilters(policy) ? ['filters'] : []),
    ...(someAreGated(policy) ? ['gateways'] : []),
    ...(someObserved(policy) ? ['observed'] : []),
    ...rareWords(policy),
  ];
}

function renderBehind({ name, about, priority, rules }: Behind, observed: boolean): string[] {
  return (
    [
      ['prerouting', 'from-guest'],
      ['postrouting', 'to-guest'],
    ] as const
  ).flatMap(([hook, direction]) => [
    `  # ${about}`,
    `  chain ${hook}-${name} {`,
    `    type filter hook ${hook} priority ${priority}; policy accept;`,
    ...rules(direction, observed).map((rule) => `    ${rule}`),
    '  }',
    '',
  ]);
}

/**
 * STP, LACP, EAPOL: only these are not seen elsewhere.
 *
 * @param some.lldp somebody may send it. What leaves in the hook `output` is the bridge's own: it never may
 * @param some.observed somebody is: what goes to the group of STP comes here only where the bridge forwards it, and so
 *   was counted already (net/bridge/br_input.c: br_handle_frame)
 */
function renderLinkLocal(
  direction: Direction,
  { lldp, observed }: { readonly lldp: boolean; readonly observed: boolean },
): string[] {
  const group = `ether daddr & ${LINK_LOCAL_MAC[0]} == ${LINK_LOCAL_MAC[1]}`;
  const allowed: readonly Match[] = [
    { field: 'ether type', is: ETHERTYPE.lldp },
    { field: 'ether saddr', own: 'mac' },
    { vif: 'lldp' },
  ];
  return [
    ...(lldp
      ? [
          '  # To the groups of the link: LLDP of who may.',
          `  chain ${stageChain(direction, 'lldp')} {`,
          `    ${allowed.flatMap((match) => renderMatch(direction, match)).join(' ')} accept`,
          `    goto ${dropChain(direction, 'link-local')}`,
          '  }',
          '',
        ]
      : []),
    '  # STP, LACP, EAPOL: only these are not seen elsewhere.',
    `  chain ${stageChain(direction, 'link-local')} {`,
    `    ${PORT[direction]} @open accept`,
    ...(observed ? [`    ether daddr ${STP_MAC} ${PORT[direction]} @observe accept`] : []),
    `    ${group} goto ${lldp ? stageChain(direction, 'lldp') : dropChain(direction, 'link-local')}`,
    '  }',
    '',
  ];
}

/** Ports without a group of their own that are called like a vif. */
function renderUnconfigured(direction: Direction): string[] {
  return [
    '  # Not configured (yet): exempt, or closed.',
    `  chain ${stageChain(direction, 'unconfigured')} {`,
    `    ${INDEX_HASH[direction]} @${EXEMPT_SET} accept`,
    `    goto ${dropChain(direction, 'unmanaged')}`,
    '  }',
    '',
  ];
}

/**
 * A port of ours without its group (somebody has given it another one) is closed, whatever it is called by now: its
 * index tells. To ask for that costs 130 ns, twice as much as for a name (measured), so the ports that carry nearly
 * all other frames are told by their names first.
 *
 * @param ours where frames of configured ports go
 */
function hook(
  name: string,
  direction: Direction,
  ours: OtherChain,
  policy: BasePolicy,
  neighbours: readonly string[],
): string[] {
  return [
    `  chain ${name} {`,
    `    type filter hook ${name} priority -200; policy accept;`,
    ...(name === 'output' && someLearn(policy)
      ? ["    # Dom0's own DHCP server.", `    ${isOurs(direction)} jump learn`]
      : []),
    `    ${isOurs(direction)} goto ${stageChain(direction, ours)}`,
    ...neighbours.map((neighbour) => `    ${NAME[direction]} "${neighbour}" accept`),
    ...(policy.unmanaged === 'open'
      ? []
      : [`    ${NAME[direction]} ${GUEST_PORTS.nft} goto ${stageChain(direction, 'unconfigured')}`]),
    `    ${INDEX_HASH[direction]} @${PORTS_SET} goto ${dropChain(direction, 'unmanaged')}`,
    '  }',
    '',
  ];
}

/** The group of a port of ours. */
export function isOurs(direction: Direction): string {
  return `${PORT[direction]} & ${hex(GUEST_GROUP_MASK)} == ${hex(FIRST_GUEST_GROUP)}`;
}

function hex(word: number): string {
  return `0x${word.toString(16)}`;
}

/** The drop chains that the stages of one direction use. */
function dropChains(direction: Direction, stages: readonly Stage[], more: readonly Reason[], marks: boolean): string[] {
  return [...new Set([...more, ...droppedBy(stages)])].flatMap((reason) => renderDropChain(direction, reason, marks));
}
