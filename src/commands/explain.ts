import { Failure, shown } from '../errors.ts';
import { ETHERNET_BYTES, parseFrame } from '../filter/frame.ts';
import { LIMIT_KINDS, type LimitKind, limitKey } from '../filter/frame-limits.ts';
import { frameText } from '../filter/frame-text.ts';
import { type DecidingRule, type FrameVerdict, frameVerdict } from '../filter/frame-verdict.ts';
import { OPT_INS } from '../filter/opt-ins.ts';
import { type Direction, REASONS, type Reason, type ReasonEntry } from '../filter/reasons.ts';
import type { KeyName } from '../policy/keys.ts';
import type { ExplainedVif } from './explained.ts';

/** What becomes of one frame, as `explain --json` prints it. */
export interface FrameAnswer {
  readonly verdict: FrameVerdict['verdict'];
  readonly direction: Direction;
  /** Where it was decided: see FrameVerdict. */
  readonly stage: string;
  /** The counter of `status`; null for what is not counted. */
  readonly reason: Reason | null;
  /** Of who is only observed: it is counted, and passes. */
  readonly observed: boolean;
  /** What the filter says of it: what the guest may not, and the source (RFC, CVE). */
  readonly why: string | null;
  /** The line of the policy, or the key of xenstore, that decides it; null for what no policy changes. */
  readonly policy: string | null;
  /** The rule of the guest that decided, where it is written, and the filter of libvirt's that it belongs to. */
  readonly rule: { readonly text: string; readonly at: string; readonly nwfilter: string | null } | null;
  /** What only the kernel could know. */
  readonly assumed: readonly string[];
  /** The frame in one line. */
  readonly frame: string;
  readonly bytes: number;
}

/**
 * Reads the hexadecimal digits of a frame, with blanks, colons or a 0x in front as programs write them.
 *
 * @throws Failure `input`
 */
export function parseHexFrame(text: string, at = '--frame'): Uint8Array {
  const digits = text.replace(/^0x/i, '').replace(/[\s:]/g, '');
  const wrong = (message: string): Failure =>
    new Failure('input', message, { at, hint: 'all bytes from the destination MAC on, two digits each' });
  if (digits === '') throw wrong('there is no frame');
  const stray = /[^0-9a-f]/i.exec(digits);
  if (stray !== null) throw wrong(`${shown(stray[0])} is no hexadecimal digit`);
  if (digits.length % 2 !== 0) throw wrong(`${digits.length} hexadecimal digits are no whole bytes`);
  const bytes = Uint8Array.from(Buffer.from(digits, 'hex'));
  if (bytes.length < ETHERNET_BYTES) throw wrong(tooShort(bytes));
  return bytes;
}

export function tooShort(bytes: Uint8Array): string {
  return `${bytes.length} bytes are no frame: its two MAC addresses and its type alone are ${ETHERNET_BYTES}`;
}

/** What becomes of a frame of this vif, or for it. @throws Failure `input` for one that is too short */
export function explainFrame(
  subject: ExplainedVif,
  direction: Direction,
  bytes: Uint8Array,
  length = bytes.length,
): FrameAnswer {
  const frame = parseFrame(bytes);
  if (frame === undefined) throw new Failure('input', tooShort(bytes));
  const found = frameVerdict(direction, subject.port, frame);
  return {
    verdict: found.verdict,
    direction,
    stage: found.stage,
    reason: found.reason ?? null,
    observed: found.verdict === 'accept' && found.reason !== undefined,
    why: whyText(found) ?? null,
    policy: policyLine(subject, found) ?? null,
    rule: found.rule === undefined ? null : shownRule(found.rule),
    assumed: [
      ...assumptions(subject, found),
      ...(length > bytes.length ? [`the ${length - bytes.length} bytes that were not captured change nothing`] : []),
    ],
    frame: frameText(frame),
    bytes: bytes.length,
  };
}

function shownRule({ text, at, filter }: DecidingRule): NonNullable<FrameAnswer['rule']> {
  return { text, at: placeText(at), nwfilter: filter ?? null };
}

function placeText({ file, line }: DecidingRule['at']): string {
  return `${file}:${line}`;
}

/** `web.ini:3: in drop`, or `nwfilter web: /etc/libvirt/nwfilter/web.xml:3: drop in all priority=500`. */
function ruleLine({ text, at, nwfilter }: NonNullable<FrameAnswer['rule']>): string {
  return `${nwfilter === null ? '' : `nwfilter ${nwfilter}: `}${at}: ${text}`;
}

/** One line for people. */
export function frameLine(answer: FrameAnswer, number: number): string {
  const { verdict, reason, stage, frame, why, policy, rule, observed, direction } = answer;
  const about = [
    ...(observed ? ['counted only'] : []),
    ...(why === null ? [] : [why]),
    ...(rule === null ? [] : [ruleLine(rule)]),
    ...(policy === null || rule !== null ? [] : [policy]),
  ];
  const columns = [
    String(number).padStart(3),
    verdict.padEnd(6),
    direction.padEnd(10),
    (reason ?? '-').padEnd(15),
    stage.padEnd(16),
    frame,
  ];
  return `${columns.join(' ')}${about.length === 0 ? '' : `  # ${about.join('; ')}`}\n`;
}

/** What the filter says of a reason, for people. */
export function reasonText(direction: Direction, reason: Reason): string {
  const { from, to }: ReasonEntry = REASONS[reason];
  return direction === 'from-guest' ? `a guest may not ${from ?? 'do this'}` : `a guest does not hear ${to ?? 'this'}`;
}

function whyText({ direction, reason, why }: FrameVerdict): string | undefined {
  const parts = [...(reason === undefined ? [] : [reasonText(direction, reason)]), ...(why === undefined ? [] : [why])];
  return parts.length === 0 ? undefined : parts.join(' - ');
}

/** Reasons that are about the addresses of a vif, and about its MACs. */
const OF_ADDRESSES: readonly Reason[] = [
  'arp-spa',
  'arp-probe',
  'arp-foreign',
  'ip-src',
  'ip-dst',
  'ip6-src',
  'ip6-dst',
  'nd-target',
  'nd-foreign',
  'own-address',
];
const OF_MACS: readonly Reason[] = ['mac-src', 'arp-sha', 'nd-lla', 'not-for-me'];

/** The key of the policy that a reason hangs on; `mac` stands for what Xen says alone. */
export function decidedBy(
  reason: Reason,
  { plan, policy, port }: Pick<ExplainedVif, 'plan' | 'policy' | 'port'>,
): KeyName | 'mac' | undefined {
  if (reason === 'unmanaged') return 'unmanaged';
  if (reason === 'no-address') return policy.mode === 'disabled' ? 'mode' : 'no_ip';
  if (reason === 'hairpin') return 'hairpin';
  if (reason === 'gateway') return 'gateways';
  if (reason === 'rule' || reason === 'rule-flood') return port.program === undefined ? 'nwfilter' : 'rules';
  if (OF_MACS.includes(reason)) return plan.macs.length > 1 ? 'extra_macs' : 'mac';
  if (OF_ADDRESSES.includes(reason)) return 'ip';
  const limit = limitedBy(reason);
  if (limit !== undefined) return limitKey(limit);
  return opensBy(reason).length > 0 ? 'allow' : undefined;
}

/** The kind of frames of whose limit a reason tells. */
export function limitedBy(reason: Reason): LimitKind | undefined {
  return LIMIT_KINDS.find((kind) => `limit-${kind}` === reason);
}

/** The words of `allow` that lift a reason. */
export function opensBy(reason: Reason): string[] {
  return OPT_INS.filter(({ opens }) => opens.includes(reason)).map(({ word }) => word);
}

/** `allow (default); opened by allow = vrrp carp`: a key and where it is written. */
export function keyLine(subject: ExplainedVif, key: KeyName | 'mac', reason: Reason): string {
  if (key === 'mac') return `mac of ${subject.source}`;
  if (key === 'ip') return addressPlace(subject);
  if (key === 'rules' && subject.port.filter !== undefined)
    return (['rules', 'nwfilter'] as const).map((one) => `${one} (${subject.placeOf(one)})`).join(' and ');
  const words = key === 'allow' ? opensBy(reason) : [];
  return `${key} (${subject.placeOf(key)})${words.length === 0 ? '' : `; allow = ${words.join(' | ')} would open it`}`;
}

/** Where its addresses are from: xenstore, and the policy if that changes them. */
export function addressPlace({ policy, source, placeOf }: ExplainedVif): string {
  const place = placeOf('ip');
  const xen = policy.ip.instead ? [] : [`ip of ${source}`];
  return [...xen, ...(place === 'default' ? [] : [`ip (${place})`])].join(' and ');
}

function policyLine(subject: ExplainedVif, { reason, rule, verdict, stage }: FrameVerdict): string | undefined {
  if (rule !== undefined) return placeText(rule.at);
  if (stage === 'nwfilter') return `nwfilter (${subject.placeOf('nwfilter')})`;
  if (reason !== undefined) {
    const key = decidedBy(reason, subject);
    return key === undefined ? undefined : keyLine(subject, key, reason);
  }
  if (verdict === 'drop' || stage === 'bridge') return undefined;
  if (subject.plan.mode !== 'unrestricted') return addressPlace(subject);
  return subject.policy.mode === 'unlocked'
    ? `mode (${subject.placeOf('mode')})`
    : `no_ip (${subject.placeOf('no_ip')})`;
}

function assumptions({ plan, port, placeOf }: ExplainedVif, { limits, stage, rule, way }: FrameVerdict): string[] {
  const kept = [...new Set(limits)].flatMap((kind) => {
    const limit = plan.terms.limits?.[kind];
    return limit === undefined
      ? []
      : [`${limitKey(kind)} is kept: ${limit.rate}/s, ${limit.burst} at once (${placeOf(limitKey(kind))})`];
  });
  const first = rule === undefined && stage !== 'nwfilter' ? [] : ['no conversation that was allowed before has it'];
  const learns =
    port.terms.flags.includes('learns') && way.some((name) => name.includes('own') || name.startsWith('arp'));
  const learned = learns ? [`it has learned ${port.learned.join(' ') || 'no address'}`] : [];
  return [...kept, ...first, ...learned];
}
