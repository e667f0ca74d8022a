import { Failure } from '../errors.ts';
import type { InterfaceName } from '../net/interface-name.ts';
import type { MacAddress } from '../net/mac-address.ts';
import { type ChainProgram, chainDigest } from '../rules/chain-program.ts';
import { programDigest, type RuleProgram } from '../rules/program.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import { type FrameLimit, type FrameLimits, LIMIT_KINDS, type LimitKey, limitKey } from './frame-limits.ts';
import { type Gateways, gatedTerms, NO_GATEWAYS, namesGateways } from './gateways.ts';
import { type Learning, type LearnPolicy, learningOf } from './learning.ts';
import { type OptIn, optInTerms } from './opt-ins.ts';
import { type MacPolicy, ownMacs } from './own-macs.ts';
import {
  type AddressPolicy,
  DENIED_TERMS,
  hairpinTerms,
  isObserved,
  macOnlyTerms,
  OPEN_TERMS,
  type OwnTerms,
  observedTerms,
  restrictedTerms,
  withOptIns,
} from './own-terms.ts';

/** What a vif without `ip=` may do: `no_ip` of the policy. */
export const NO_IP_CHOICES = ['mac-only', 'deny', 'unrestricted'] as const;
export type NoIp = (typeof NO_IP_CHOICES)[number];

/** How far a vif is restricted; shown by `status`. */
export type FilterMode = 'addresses' | NoIp;

/** `mode` of the policy: whether the addresses of a vif decide at all, and whether what they say is done. */
export type FilterSwitch = 'locked' | 'observe' | 'unlocked' | 'disabled';

/** What the filter needs of a vif's policy. */
export interface FilterPolicy
  extends MacPolicy,
    AddressPolicy,
    LearnPolicy,
    Readonly<Partial<Record<LimitKey, FrameLimit | 'off'>>> {
  readonly mode: FilterSwitch;
  readonly no_ip: NoIp;
  /** Whether its own frames may come back to it; not, if it does not say. */
  readonly hairpin?: 'on' | 'off';
  /** What it may do besides; nothing, if it does not say. */
  readonly allow?: readonly OptIn[];
  /** The only stations that it may speak with; all, if it does not say. */
  readonly gateways?: Gateways;
  /** Its own rules; none, if it does not say. */
  readonly program?: RuleProgram;
  /** The program of its filter of libvirt's; none, if it does not say. */
  readonly filterFor?: (guest: {
    readonly mac: string;
    readonly ip: readonly string[];
    readonly ip6: readonly string[];
    readonly learns: boolean;
  }) => ChainProgram;
}

/** The filter of one vif, complete, as data. The shared stages (stages.ts) ask it for its own terms. */
export interface FilterPlan {
  /** Names the vif's chains. */
  readonly device: InterfaceName;
  readonly mode: FilterMode;
  /** The MACs it is known by, its own first. */
  readonly macs: readonly MacAddress[];
  readonly terms: OwnTerms;
  /** What the vif may do besides, in the policy's words: those that `terms` hold. */
  readonly allow: readonly string[];
  /** Undefined where no rules are asked. */
  readonly program?: RuleProgram;
  /** Undefined where no filter of libvirt's is asked. */
  readonly filter?: ChainProgram;
}

/**
 * The plan for a vif.
 *
 * @param subnetBroadcasts directed broadcasts of the bridge's own subnets, to which those of `ip=` netmasks are added
 * @param gatewayMacs MACs that are known of the addresses of its `gateways`
 * @throws Failure `input` for a policy that cannot hold
 */
export function buildPlan(
  vif: VifIdentity,
  policy: FilterPolicy,
  subnetBroadcasts: readonly string[],
  gatewayMacs: readonly MacAddress[] = [],
): FilterPlan {
  const broadcasts = [...new Set([...vif.addresses.broadcasts, ...subnetBroadcasts])];
  const mode = filterMode(vif, policy);
  // Who may not speak speaks from no other one either.
  const macs = mode === 'deny' ? [vif.mac] : ownMacs(vif, policy);
  const terms = withVlans(termsFor(vif, mode, macs, broadcasts, policy), mode, policy);
  // Who is not filtered needs none of it, and who may do nothing gets none of it; nor is asked how often.
  const filtered = mode === 'addresses' || mode === 'mac-only';
  const allow = filtered ? (policy.allow ?? []) : [];
  const program = filtered ? policy.program : undefined;
  const reflected = filtered && policy.hairpin === 'on' ? hairpinTerms(terms) : terms;
  const filter = filtered ? filterFor(vif, macs, policy) : undefined;
  const digests = { ...named(program), ...(filter === undefined ? {} : { filter: chainDigest(filter) }) };
  const bound = filtered ? { ...withOptIns(reflected, allow), limits: limitsOf(policy), ...digests } : terms;
  const learning = mode === 'addresses' ? learningOf(policy) : undefined;
  const taught = learning === undefined ? bound : learningTerms(bound, learning);
  const { gateways = NO_GATEWAYS } = policy;
  const all = filtered && namesGateways(gateways) ? gatedTerms(taught, gateways, gatewayMacs) : taught;
  return {
    device: vif.device,
    mode,
    macs,
    terms: policy.mode === 'observe' ? observedTerms(all) : all,
    allow: allow.map(({ text }) => text),
    ...(program === undefined ? {} : { program }),
    ...(filter === undefined ? {} : { filter }),
  };
}

/** Who is not filtered is in its VLANs too: a bridge lets no others pass. */
function withVlans(terms: OwnTerms, mode: FilterMode, { allow = [] }: FilterPolicy): OwnTerms {
  if (mode !== 'unrestricted') return terms;
  const { vlan } = optInTerms(allow).lists;
  return vlan.length === 0 ? terms : { ...terms, values: { ...terms.values, vlan } };
}

/** Its own addresses stay what they are: guests with one filter share a program. */
function filterFor(
  { addresses, mac }: VifIdentity,
  macs: readonly MacAddress[],
  policy: FilterPolicy,
): ChainProgram | undefined {
  const text = ({ text }: { readonly text: string }): string => text;
  return policy.filterFor?.({
    mac: macs[0] ?? mac,
    ip: addresses.ipv4.map(text),
    ip6: addresses.ipv6.map(text),
    learns: policy.learn === 'dhcp',
  });
}

/** What it learns is asked for beside what it was given; so it has IPv4, even if it was given none. */
function learningTerms(terms: OwnTerms, learning: Learning): OwnTerms {
  return { ...terms, flags: [...new Set([...terms.flags, 'ipv4', 'learns'] as const)], learning };
}

function named(program: RuleProgram | undefined): Pick<OwnTerms, 'program'> {
  return program === undefined ? {} : { program: programDigest(program) };
}

/** A policy that says nothing of a kind does not limit it. */
function limitsOf(policy: FilterPolicy): FrameLimits {
  const limits: { -readonly [K in keyof FrameLimits]: FrameLimits[K] } = {};
  for (const kind of LIMIT_KINDS) {
    const limit = policy[limitKey(kind)];
    if (limit !== undefined && limit !== 'off') limits[kind] = limit;
  }
  return limits;
}

/** How far a vif is restricted. */
export function filterMode(
  { addresses: { ipv4, ipv6 } }: VifIdentity,
  { mode, no_ip, learn }: FilterPolicy,
): FilterMode {
  switch (mode) {
    case 'locked':
    case 'observe':
      return ipv4.length + ipv6.length > 0 || learn === 'dhcp' ? 'addresses' : no_ip;
    case 'unlocked':
      return 'unrestricted';
    case 'disabled':
      return 'deny';
    default:
      return mode satisfies never;
  }
}

/** Whether nothing at all is kept from it: such a vif is left as it would be without this program. */
export function isUnbound({ mode, terms }: Pick<FilterPlan, 'mode' | 'terms'>): boolean {
  return mode === 'unrestricted' || isObserved(terms);
}

function termsFor(
  vif: VifIdentity,
  mode: FilterMode,
  macs: readonly MacAddress[],
  broadcasts: readonly string[],
  policy: FilterPolicy,
): OwnTerms {
  switch (mode) {
    case 'addresses':
      return restrictedTerms(vif, macs, broadcasts, policy);
    case 'mac-only':
      return macOnlyTerms(macs, broadcasts);
    case 'deny':
      return DENIED_TERMS;
    case 'unrestricted':
      return OPEN_TERMS;
    default:
      throw new Failure('internal', `no terms for mode ${mode satisfies never}`);
  }
}
