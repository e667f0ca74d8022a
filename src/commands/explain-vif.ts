import { LIMIT_KINDS, limitKey } from '../filter/frame-limits.ts';
import { OPT_INS } from '../filter/opt-ins.ts';
import type { FilterMode } from '../filter/plan.ts';
import { sourcesOf } from '../filter/reason-sources.ts';
import { DIRECTIONS, type Direction, type Reason } from '../filter/reasons.ts';
import { droppedBy } from '../filter/stage.ts';
import { STAGES } from '../filter/stages.ts';
import { tracks } from '../rules/chain-program.ts';
import { RULE_DIRECTIONS, type RulePlace } from '../rules/rule.ts';
import { ruleText } from '../rules/rule-text.ts';
import { addressPlace, decidedBy, keyLine, limitedBy, opensBy, reasonText } from './explain.ts';
import type { ExplainedVif } from './explained.ts';
import type { Answer } from './policy.ts';
import { inertMark } from './rules.ts';

/** What a vif may do, or what is kept from it, and who says so. */
interface Said {
  readonly text: string;
  /** A line of the policy or a key of xenstore; null: nothing changes it. */
  readonly policy: string | null;
}

interface Dropped {
  readonly direction: Direction;
  readonly reason: Reason;
  readonly text: string;
  readonly sources: readonly string[];
  readonly policy: string | null;
  /** The words of `allow` that would open it. */
  readonly opened_by: readonly string[];
}

/** A vif for programs. */
export interface VifAnswer {
  readonly device: string;
  readonly name: string;
  readonly guest: string | null;
  readonly bridge: string | null;
  readonly mode: FilterMode;
  readonly observed: boolean;
  readonly macs: readonly string[];
  readonly addresses: readonly string[];
  readonly learned: readonly string[];
  readonly allowed: readonly Said[];
  readonly dropped: readonly Dropped[];
  readonly notes: readonly string[];
}

/** All that a vif may, and may not. */
export function explainVif(subject: ExplainedVif): Answer {
  const { vif, bridge, plan, notes, port } = subject;
  const allowed = allowedTo(subject);
  const dropped = droppedOf(subject);
  const json: VifAnswer = {
    device: vif.device,
    name: vif.name,
    guest: vif.guest ?? null,
    bridge: bridge ?? null,
    mode: plan.mode,
    observed: isObserved(subject),
    macs: plan.macs,
    addresses: addressesOf(subject),
    learned: port.learned,
    allowed,
    dropped,
    notes,
  };
  return { text: text(subject, allowed, dropped), json, status: 0 };
}

function addressesOf({ port }: ExplainedVif): string[] {
  return [...(port.terms.values.ip ?? []), ...(port.terms.values.ip6 ?? [])];
}

function isObserved({ port }: ExplainedVif): boolean {
  return port.terms.flags.includes('observe');
}

/** What passes, from what is broad to what is particular. */
function allowedTo(subject: ExplainedVif): Said[] {
  const { plan, policy, placeOf, port, source } = subject;
  const { flags, values } = port.terms;
  const modeLine = `mode (${placeOf('mode')})`;
  if (flags.includes('denied')) return [];
  if (flags.includes('open')) {
    const everything = 'everything: it is not filtered';
    if (policy.ended !== undefined) {
      const until = `until (${placeOf('until')})`;
      return [
        { text: `${everything}, though mode = ${policy.ended} has ended: nobody has re-applied it`, policy: until },
      ];
    }
    if (plan.mode !== 'unrestricted')
      return [{ text: `${everything}, as it was loaded; the policy of now says otherwise`, policy: modeLine }];
    return [{ text: everything, policy: policy.mode === 'unlocked' ? modeLine : `no_ip (${placeOf('no_ip')})` }];
  }
  const any = flags.includes('any');
  const addresses = any ? `no_ip (${placeOf('no_ip')})` : addressPlace(subject);
  const some = (list: readonly string[]): string => (any ? 'any address' : list.join(' ') || 'what it learns');
  const routes = [...(values.route ?? []), ...(values.route6 ?? [])];
  return [
    ...(isObserved(subject) ? [{ text: 'everything: what would be dropped is counted only', policy: modeLine }] : []),
    {
      text: `frames with the source MAC ${plan.macs.join(' ')}`,
      policy: plan.macs.length > 1 ? `extra_macs (${placeOf('extra_macs')})` : `mac of ${source}`,
    },
    ...(flags.includes('ipv4')
      ? [
          { text: `IPv4 from and to ${some(values.ip)}: TCP, UDP, ICMP, SCTP, DCCP, GRE, ESP, AH`, policy: addresses },
          {
            text: 'ARP and probes for its own IPv4 addresses, questions about all, DHCP as a client, IGMP reports',
            policy: null,
          },
        ]
      : []),
    ...(flags.includes('ipv6')
      ? [
          { text: `IPv6 from and to ${some(values.ip6)}: TCP, UDP, ICMPv6, SCTP, DCCP, GRE, ESP`, policy: addresses },
          { text: 'neighbour discovery for its own IPv6 addresses, DHCPv6 as a client, MLD reports', policy: null },
        ]
      : []),
    ...(flags.includes('learns')
      ? [
          {
            text: `IPv4 from and to what DHCP gives it: ${port.learned.join(' ') || 'nothing yet'}`,
            policy: `learn (${placeOf('learn')})`,
          },
        ]
      : []),
    ...(routes.length === 0
      ? []
      : [{ text: `IP from and to ${routes.join(' ')}, which is behind it`, policy: `routes (${placeOf('routes')})` }]),
    ...plan.allow.map((word) => ({ text: `${word}: ${meaningOf(word)}`, policy: `allow (${placeOf('allow')})` })),
    ...(flags.includes('hairpin')
      ? [{ text: 'its own frames coming back to it', policy: `hairpin (${placeOf('hairpin')})` }]
      : []),
    ...rulesOf(subject),
  ];
}

function meaningOf(text: string): string {
  const [word] = text.split(':');
  return OPT_INS.find((one) => one.word === word)?.meaning ?? '';
}

/** Rules are asked behind all this, the first that matches decides; and behind them the filter of libvirt's. */
function rulesOf({ port: { program, filter } }: ExplainedVif): Said[] {
  const rules = RULE_DIRECTIONS.flatMap((direction) => program?.[direction] ?? []);
  const at = ({ file, line }: RulePlace): string => `${file}:${line}`;
  return [
    ...rules.map((rule) => ({ text: `rule: ${ruleText(rule)}`, policy: at(rule.at) })),
    ...(filter?.listing ?? []).map((rule) => ({
      text: `nwfilter ${filter?.name}: ${rule.direction} L${rule.layer} ${rule.chain} ${rule.text}${inertMark(rule)}`,
      policy: at(rule.at),
    })),
  ];
}

/** Every reason for which a frame of it, or for it, may be dropped. */
function droppedOf(subject: ExplainedVif): Dropped[] {
  const { flags } = subject.port.terms;
  if (flags.includes('open')) return [];
  return DIRECTIONS.flatMap((direction) => {
    const all: Reason[] = flags.includes('denied')
      ? ['no-address']
      : [
          ...(['link-local'] as const),
          ...(flags.includes('gated') ? (['gateway'] as const) : []),
          ...droppedBy(STAGES[direction]).filter((reason) => isPossible(reason, subject)),
          ...ruledOf(subject.port),
        ];
    return [...new Set(all)].map((reason): Dropped => {
      const key = decidedBy(reason, subject);
      return {
        direction,
        reason,
        text: reasonText(direction, reason),
        sources: sourcesOf(direction, reason),
        policy: key === undefined ? null : keyLine(subject, key, reason),
        opened_by: opensBy(reason),
      };
    });
  });
}

/** Only what keeps conversations in mind may have too many of them. */
function ruledOf({ program, filter }: ExplainedVif['port']): Reason[] {
  if (program === undefined && filter === undefined) return [];
  const keeps = program !== undefined || (filter !== undefined && tracks(filter));
  return keeps ? ['rule', 'rule-flood'] : ['rule'];
}

function isPossible(reason: Reason, { plan }: ExplainedVif): boolean {
  if (reason === 'no-address' || reason === 'unmanaged') return false;
  const kind = limitedBy(reason);
  return kind === undefined || plan.terms.limits?.[kind] !== undefined;
}

function text(subject: ExplainedVif, allowed: readonly Said[], dropped: readonly Dropped[]): string {
  const { vif, bridge, plan, notes, placeOf } = subject;
  const said = ({ text: what, policy }: Said): string => `  ${what}${policy === null ? '' : `  # ${policy}`}`;
  const limits = LIMIT_KINDS.flatMap((kind) => {
    const limit = plan.terms.limits?.[kind];
    const key = limitKey(kind);
    return limit === undefined ? [] : [`  ${key}: ${limit.rate}/s, ${limit.burst} at once  # ${placeOf(key)}`];
  });
  const part = (title: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : ['', title, ...lines]);
  const drops = (direction: Direction): string[] =>
    dropped
      .filter((one) => one.direction === direction)
      .map(({ reason, text: what, sources, policy }) => {
        const about = [...sources, ...(policy === null ? [] : [policy])];
        return `  ${reason.padEnd(16)}${what}${about.length === 0 ? '' : `  # ${about.join('; ')}`}`;
      });
  return `${[
    [
      vif.name,
      vif.name === vif.device ? '' : `(${vif.device})`,
      vif.mac,
      vif.guest ?? '',
      `on ${bridge ?? 'no bridge'}`,
      `mode ${plan.mode}`,
    ]
      .filter((word) => word !== '')
      .join('  '),
    ...notes.map((note) => `  note: ${note}`),
    ...part('passes', allowed.map(said)),
    ...part('only so many frames of', limits),
    ...part('dropped from-guest', drops('from-guest')),
    ...part('dropped to-guest', drops('to-guest')),
  ].join('\n')}\n`;
}
