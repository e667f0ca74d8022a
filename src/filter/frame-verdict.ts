import type { ChainProgram } from '../rules/chain-program.ts';
import type { RuleProgram } from '../rules/program.ts';
import type { RulePlace } from '../rules/rule.ts';
import { ruleText } from '../rules/rule-text.ts';
import { bitsOf } from './field-values.ts';
import { verdictOfFilter } from './filter-of-frame.ts';
import { byte, ETHERNET_BYTES, type Frame } from './frame.ts';
import { readField } from './frame-fields.ts';
import type { LimitKind } from './frame-limits.ts';
import type { Direction, Reason } from './reasons.ts';
import { ruleOf } from './rules-of-frame.ts';
import { type Walker, walk } from './walk.ts';
import { ETHERTYPE } from './wire.ts';

/** What must be known of a port to say what becomes of its frames. */
export interface JudgedPort extends Walker {
  /** Its rules; undefined: none are asked. */
  readonly program: RuleProgram | undefined;
  /** Its filter of libvirt's; undefined: none is asked. */
  readonly filter: ChainProgram | undefined;
  /** Frames to link-local groups are dropped at the device itself. */
  readonly ingress: boolean;
  /** The bridge speaks STP, so it takes the frames of STP before any other hook. */
  readonly stp: boolean;
}

/** What becomes of a frame at one port. */
export interface FrameVerdict {
  readonly verdict: 'accept' | 'drop';
  readonly direction: Direction;
  /**
   * Where it was decided: a stage; `rules` for the rules of the guest; `nwfilter` for its filter of libvirt's; `bridge`
   * for what the bridge itself drops; `kernel` for what it drops before; `link-local` for the hook that sees what the
   * bridge would take for itself; `device` for the chain at the device.
   */
  readonly stage: string;
  /** As `status` counts it; undefined for what is not counted. Of who is only observed it is counted and passes. */
  readonly reason: Reason | undefined;
  /** What the filter says of its decision: a source (RFC, CVE), a fact. */
  readonly why: string | undefined;
  readonly rule: DecidingRule | undefined;
  readonly limits: readonly LimitKind[];
  readonly way: readonly string[];
}

/** The rule of a guest that decided. */
export interface DecidingRule {
  readonly text: string;
  readonly at: RulePlace;
  /** The filter of libvirt's that it belongs to; undefined for a line of `[rules NAME]`. */
  readonly filter: string | undefined;
}

/** What the hooks make of a frame, in their order. */
export function frameVerdict(direction: Direction, port: JudgedPort, frame: Frame): FrameVerdict {
  const fixed = beforeStages(direction, port, frame);
  if (fixed !== undefined) return { ...NOTHING, direction, ...fixed };
  const { stage, outcome, why, way, limits } = walk(direction, port, frame);
  const common = { ...NOTHING, direction, stage, why, way, limits };
  if ('drop' in outcome) return dropped(port, { ...common, reason: outcome.drop });
  const passed: FrameVerdict = { ...common, verdict: 'accept' };
  const ruled = 'permitted' in outcome ? byRules(port, passed, frame) : passed;
  // Who is only observed: what was counted once is told once.
  return ruled.verdict === 'drop' || ruled.reason !== undefined ? ruled : byFilter(port, ruled, frame);
}

/** Its own rules are asked about what would pass, and the filter about what they let pass. */
function byRules(port: JudgedPort, passed: FrameVerdict, frame: Frame): FrameVerdict {
  const rule = port.program === undefined ? undefined : ruleOf(port.program, passed.direction, frame);
  if (rule === undefined) return passed;
  const told = { text: ruleText(rule), at: rule.at, filter: undefined };
  const ruled = { ...passed, stage: 'rules', why: undefined, rule: told };
  return rule.verdict === 'allow' ? ruled : dropped(port, { ...ruled, reason: 'rule' });
}

function byFilter(port: JudgedPort, passed: FrameVerdict, frame: Frame): FrameVerdict {
  if (port.filter === undefined) return passed;
  const { verdict, by } = verdictOfFilter(port.filter, passed.direction, port, frame);
  if (verdict === 'allow' && by === undefined) return passed;
  const told = by === undefined ? undefined : { text: by.text, at: by.at, filter: port.filter.name };
  const filtered = { ...passed, stage: 'nwfilter', why: by === undefined ? LATER_FRAGMENT : undefined, rule: told };
  return verdict === 'allow' ? filtered : dropped(port, { ...filtered, reason: 'rule' });
}

const LATER_FRAGMENT = 'a later fragment has no ports: it passes with its first one alone';

const NOTHING = { reason: undefined, why: undefined, rule: undefined, limits: [], way: [] } as const;

/** Who is only observed loses nothing. */
function dropped({ terms }: JudgedPort, found: Omit<FrameVerdict, 'verdict'>): FrameVerdict {
  return { ...found, verdict: terms.flags.includes('observe') ? 'accept' : 'drop' };
}

type Fixed = Pick<FrameVerdict, 'verdict' | 'stage' | 'reason' | 'why'>;

/** What is decided before any stage is asked: net/bridge/br_input.c, br_handle_frame. */
function beforeStages(direction: Direction, port: JudgedPort, frame: Frame): Fixed | undefined {
  const group = linkLocalGroup(frame);
  if (direction === 'from-guest') {
    if (isCutOffTag(frame)) return CUT_OFF;
    if (!isStation(frame, 6)) return NO_STATION;
    if (group === PAUSE && !port.ingress) return PAUSED;
    if (group === LLDP && !port.ingress) return NOT_FORWARDED;
  }
  if (group === undefined) return undefined;
  const { flags } = port.terms;
  const observed = flags.includes('observe');
  if (direction === 'from-guest' && port.ingress && (!observed || group === STP)) return linkLocal('device', observed);
  // Without STP the bridge forwards its frames as any others.
  if (group === STP && !port.stp) return undefined;
  if (flags.includes('open')) return OPEN;
  return isAllowedLldp(direction, port, frame) ? ALLOWED : linkLocal('link-local', observed);
}

function linkLocal(stage: 'device' | 'link-local', observed: boolean): Fixed {
  return { verdict: observed ? 'accept' : 'drop', stage, reason: 'link-local', why: LINK_LOCAL };
}

const LINK_LOCAL = 'to a group of the link itself, which no bridge forwards (IEEE 802.1D table 7-10)';
const OPEN: Fixed = { verdict: 'accept', stage: 'link-local', reason: undefined, why: 'it is not filtered' };
const ALLOWED: Fixed = { verdict: 'accept', stage: 'link-local', reason: undefined, why: '`allow`' };
const NO_STATION: Fixed = {
  verdict: 'drop',
  stage: 'bridge',
  reason: undefined,
  why: 'its source MAC is no station: the bridge itself drops it, and nobody counts it',
};
const PAUSED: Fixed = {
  verdict: 'drop',
  stage: 'bridge',
  reason: undefined,
  why: 'a pause frame (IEEE 802.3 annex 31B): the bridge itself drops it, and nobody counts it',
};

/** It goes to who listens at the port itself, past all hooks of the bridge. */
const NOT_FORWARDED: Fixed = {
  verdict: 'drop',
  stage: 'bridge',
  reason: undefined,
  why: 'LLDP (IEEE 802.1AB): the bridge forwards it nowhere, and nobody counts it',
};
const CUT_OFF: Fixed = {
  verdict: 'drop',
  stage: 'kernel',
  reason: undefined,
  why: 'a VLAN tag and nothing behind it: the kernel drops it before any hook, and nobody counts it',
};

const STP = 0x00;
const PAUSE = 0x01;
const LLDP = 0x0e;

/** net/core/skbuff.c, skb_vlan_untag: the tag and two bytes behind it must be there. */
function isCutOffTag({ bytes, etherType }: Frame): boolean {
  const tagged = etherType === ETHERTYPE.vlan || etherType === ETHERTYPE.qinq;
  return tagged && bytes.length < ETHERNET_BYTES + 6;
}

/** See renderLinkLocal of nftables. */
function isAllowedLldp(direction: Direction, { terms: { values, flags } }: JudgedPort, frame: Frame): boolean {
  if (direction !== 'from-guest' || frame.etherType !== ETHERTYPE.lldp || !flags.includes('lldp')) return false;
  return values.mac.some((mac) => bitsOf(mac) === readField(frame, 'ether saddr'));
}

/** The last byte of 01:80:c2:00:00:00 to :0f; undefined for every other destination. */
function linkLocalGroup({ bytes }: Frame): number | undefined {
  const is = [0x01, 0x80, 0xc2, 0, 0].every((value, at) => bytes[at] === value);
  const last = byte(bytes, 5);
  return is && last < 16 ? last : undefined;
}

/** Neither a group nor zero (linux/etherdevice.h: is_valid_ether_addr). */
function isStation({ bytes }: Frame, at: number): boolean {
  return (byte(bytes, at) & 1) === 0 && bytes.subarray(at, at + 6).some((one) => one !== 0);
}
