import type { RuleCount } from '../backends/backend.ts';
import { withHeldRules } from '../backends/choice.ts';
import { Failure, shown } from '../errors.ts';
import { NO_GATEWAYS } from '../filter/gateways.ts';
import { digestsOfTerms } from '../filter/own-terms.ts';
import { buildPlan, type FilterPlan } from '../filter/plan.ts';
import type { Host } from '../host.ts';
import { addressValue, type Family, parseAddressRange } from '../net/address-range.ts';
import { contains, type IpPrefix, parsePrefix } from '../net/ip-prefix.ts';
import { withAddresses } from '../policy/address-change.ts';
import type { Policy } from '../policy/policy.ts';
import { resolvePolicy } from '../policy/resolve-policy.ts';
import { bridgeIfAny } from '../port/bridge.ts';
import { type ChainProgram, countKeys, type ListedRule } from '../rules/chain-program.ts';
import { decide, isNeverJudged, type Packet } from '../rules/judge.ts';
import { decideChains } from '../rules/judge-chains.ts';
import { icmpTypeOf, isProtocolName, PROTOCOLS, protocolOf } from '../rules/protocols.ts';
import { RULE_DIRECTIONS, type Rule, type RuleDirection } from '../rules/rule.ts';
import { ruleText } from '../rules/rule-text.ts';
import { liveRecords } from '../state/present-devices.ts';
import { isAssignment } from '../xen/hotplug-call.ts';
import { parseHotplugEvent } from '../xen/hotplug-event.ts';
import { parseIdentity, type VifIdentity } from '../xen/vif-identity.ts';
import type { Answer } from './policy.ts';
import { identityNamed } from './reapply.ts';

/** A vif and what its filter is, by the policy of now. */
export interface RuledVif {
  readonly vif: VifIdentity;
  readonly plan: FilterPlan;
  /** What its rules have counted, and its filter; undefined where none of them are loaded. */
  readonly counted?: Counted | undefined;
  readonly filterCounted?: Counted | undefined;
}

/** What the kernel has counted of the rules of a vif. */
interface Counted {
  /** Not those of the policy of now. */
  readonly outdated: boolean;
  /** By direction and number: `in 3`; of a filter by its own keys. */
  readonly counts: ReadonlyMap<string, RuleCount>;
  /** Whose packets they count: guests with the same rules may be counted together. */
  readonly vifs: readonly string[];
}

/**
 * A vif that is described by hand, as for a dry run: `vif=vif1.0 mac=... ip=... guest=...`.
 *
 * @param now ISO 8601
 * @throws Failure `input`
 */
export function vifByHand(policy: Policy, given: readonly string[], now: string): RuledVif {
  const event = parseHotplugEvent('online', given, {});
  if (event === undefined) throw new Failure('input', 'a vif is meant, not a tap', { at: 'the command line' });
  const vif = parseIdentity({ device: event.device, type: event.type }, event.given, 'the command line');
  return ruled({ policy, now: () => now }, vif, vif.bridge);
}

/** One that Xen or the state knows. @throws Failure `missing` */
export async function vifNamed(host: Host, name: string): Promise<RuledVif> {
  const { who } = await identityNamed(host, name);
  const bridge = bridgeIfAny(who.vif.bridge, host.readDevice, host.deviceNames)?.name ?? who.vif.bridge;
  return ruled(host, who.vif, bridge);
}

/** The same, with what its rules have counted. @throws Failure `missing` */
export async function countedVif(host: Host, name: string): Promise<RuledVif> {
  const known = await vifNamed(host, name);
  const record = host.state.readVif(known.vif.device);
  const loaded = record?.loaded.at(-1);
  if (record === undefined || loaded === undefined || digestsOfTerms(loaded).length === 0) return known;
  const { rules } = withHeldRules(host);
  const counts = await rules.ruleCounts(record);
  if (counts === undefined) return known;
  const countedBy = (digest: 'program' | 'filter'): Counted | undefined => {
    const mine = loaded[digest];
    if (mine === undefined) return undefined;
    const others = rules.countsTogether
      ? liveRecords(host).filter((one) => one.loaded.at(-1)?.[digest] === mine)
      : [record];
    const vifs = others.map(({ device }) => device).sort();
    return { outdated: mine !== known.plan.terms[digest], counts, vifs };
  };
  return { ...known, counted: countedBy('program'), filterCounted: countedBy('filter') };
}

function ruled(
  { policy, now }: Pick<Host, 'policy' | 'now'>,
  identity: VifIdentity,
  bridge: string | undefined,
): RuledVif {
  const own = resolvePolicy(policy, { ...identity, bridge }, now());
  const vif = withAddresses(identity, own);
  return { vif, plan: buildPlan(vif, { ...own, gateways: NO_GATEWAYS }, []) };
}

/** What has been counted; null where nothing is loaded. */
interface MaybeCounted {
  readonly packets: number | null;
  readonly bytes: number | null;
}

/** The rules of a vif for programs. */
export interface ShownRules {
  readonly device: string;
  readonly mac: string;
  readonly lists: readonly string[];
  readonly rules: readonly (MaybeCounted & {
    readonly direction: RuleDirection;
    readonly number: number;
    readonly rule: string;
    readonly at: string;
  })[];
  /** The kernel has these. */
  readonly loaded: boolean;
  readonly counted_for: readonly string[];
  readonly nwfilter: ShownFilterRules | null;
}

interface ShownFilterRules {
  readonly name: string;
  readonly rules: readonly (MaybeCounted &
    Pick<ListedRule, 'direction' | 'layer' | 'chain'> & {
      readonly rule: string;
      readonly at: string;
      readonly inert: string | null;
    })[];
  readonly notes: readonly string[];
}

/** The rules of a vif, numbered as the log numbers them, with what each has counted. */
export function showRules({ vif, plan, counted, filterCounted }: RuledVif): Answer {
  const { program } = plan;
  const counts = counted?.outdated === true ? undefined : counted?.counts;
  const rows = RULE_DIRECTIONS.flatMap((direction) =>
    (program?.[direction] ?? []).map((rule, at) => {
      const count = counts && (counts.get(`${direction} ${at + 1}`) ?? { packets: 0, bytes: 0 });
      return {
        direction,
        number: at + 1,
        rule: ruleText(rule),
        at: placeOf(rule),
        packets: count?.packets ?? null,
        bytes: count?.bytes ?? null,
      };
    }),
  );
  const silent = RULE_DIRECTIONS.filter((direction) => (program?.[direction] ?? []).length === 0);
  const lines = [
    `${vif.device} ${vif.mac} ${program === undefined ? 'has no rules' : `rules = ${program.lists.join(' ')}`}`,
    ...rows.map(({ number, rule, at, packets, bytes }) => {
      const count = packets === null ? '' : `  ${packets} packets ${bytes} bytes`;
      return `${String(number).padStart(3)}  ${rule}  # ${at}${count}`;
    }),
    ...(program === undefined ? [] : silent.map((direction) => `     ${direction}: no line, nothing is asked`)),
    ...(counted === undefined ? [] : [countedText(vif, counted, 'the first packet of each conversation')]),
    ...(plan.filter === undefined ? [] : filterLines(plan.filter, filterCounted)),
    ...(filterCounted === undefined ? [] : [countedText(vif, filterCounted, 'each packet')]),
  ];
  const json: ShownRules = {
    device: vif.device,
    mac: vif.mac,
    lists: program?.lists ?? [],
    rules: rows,
    loaded: counted !== undefined && !counted.outdated,
    counted_for: counted?.vifs ?? [],
    nwfilter: plan.filter === undefined ? null : filterJson(plan.filter, filterCounted),
  };
  return { text: `${lines.join('\n')}\n`, json, status: 0 };
}

/** What its filter of libvirt's asks behind them. */
function filterLines(program: ChainProgram, counted: Counted | undefined): string[] {
  const { name, listing, notes } = program;
  return [
    `nwfilter = ${name}`,
    ...listing.map((rule) => {
      const { direction, layer, chain, text, at } = rule;
      const count = countOf(program, rule, counted);
      const counts = count === undefined ? '' : `  ${count.packets} packets ${count.bytes} bytes`;
      return `  ${direction.padEnd(3)} L${layer} ${chain}  ${text}  # ${at.file}:${at.line}${inertMark(rule)}${counts}`;
    }),
    ...notes.map((note) => `note: ${note}`),
  ];
}

/** Of a rule that can do nothing here, and why. */
export function inertMark({ inert }: ListedRule): string {
  return inert === undefined ? '' : `  (no effect here: ${inert})`;
}

function filterJson(program: ChainProgram, counted: Counted | undefined): ShownFilterRules {
  const { name, listing, notes } = program;
  const rules = listing.map((rule) => {
    const { direction, layer, chain, text, at, inert } = rule;
    const { packets = null, bytes = null } = countOf(program, rule, counted) ?? {};
    return { direction, layer, chain, rule: text, at: `${at.file}:${at.line}`, inert: inert ?? null, packets, bytes };
  });
  return { name, rules, notes };
}

/** What the kernel has counted of all that was made of a rule; undefined where it has another filter, or none. */
function countOf(program: ChainProgram, rule: ListedRule, counted: Counted | undefined): RuleCount | undefined {
  if (counted === undefined || counted.outdated) return undefined;
  const found = countKeys(program, rule).flatMap((key) => counted.counts.get(key) ?? []);
  const sum = (of: 'packets' | 'bytes'): number => found.reduce((all, one) => all + one[of], 0);
  return { packets: sum('packets'), bytes: sum('bytes') };
}

function countedText({ device }: VifIdentity, { outdated, vifs }: Counted, what: string): string {
  if (outdated) return `the kernel has other rules than the policy by now: vif-bridge reapply ${device}`;
  const whose = vifs.length > 1 ? `, of all vifs with these rules: ${vifs.join(' ')}` : '';
  return `counted: ${what}${whose}`;
}

/**
 * What becomes of the first packet of a conversation: `in tcp 203.0.113.9:4711 192.0.2.5:22`.
 *
 * @throws Failure `input` for what is no packet
 */
export function testRules({ vif, plan }: RuledVif, words: readonly string[]): Answer {
  const packet = parsePacket(words);
  const { verdict, why, rule } = alsoByFilter(verdictOf(vif, plan, packet), vif, plan, packet);
  const json: TestedPacket = { verdict, why, rule: rule ?? null };
  return { text: `${verdict}  ${why}\n`, json, status: 0 };
}

function verdictOf(vif: VifIdentity, plan: FilterPlan, packet: TestPacket): Judged {
  const foreign = whyForeign(vif, plan, packet);
  if (foreign !== undefined) return { verdict: 'drop', why: foreign };
  if (plan.program === undefined) return { verdict: 'allow', why: 'it has no rules' };
  if (isNeverJudged(packet)) return { verdict: 'allow', why: 'no rule may stop this' };
  const rule = decide(plan.program, packet);
  if (rule === undefined) return { verdict: 'allow', why: `${packet.direction}: no line, nothing is asked` };
  return {
    verdict: rule.verdict,
    why: `${placeOf(rule)}: ${ruleText(rule)}`,
    rule: { text: ruleText(rule), ...rule.at },
  };
}

/** Behind the rules its filter of libvirt's is asked: both must let it pass. */
function alsoByFilter(before: Judged, vif: VifIdentity, { filter, terms }: FilterPlan, packet: TestPacket): Judged {
  if (before.verdict !== 'allow' || filter === undefined) return before;
  const own = [...terms.values.ip, ...terms.values.ip6].flatMap((text) => parseAddressRange(text) ?? []);
  const mac = BigInt(`0x${vif.mac.replaceAll(':', '')}`);
  const { verdict, by } = decideChains(filter, packet, { mac, addresses: own });
  if (by === undefined) return { ...before, why: `nwfilter ${filter.name}: no rule of it is about this` };
  return { verdict, why: `${by.at.file}:${by.at.line}: ${by.text}`, rule: { text: by.text, ...by.at } };
}

/** What becomes of a packet, and the rule that says so. */
interface Judged {
  readonly verdict: 'allow' | 'drop' | 'reject';
  readonly why: string;
  readonly rule?: { readonly text: string; readonly file: string; readonly line: number };
}

/** The same for programs. */
export interface TestedPacket extends Omit<Judged, 'rule'> {
  readonly rule: NonNullable<Judged['rule']> | null;
}

/** Rules are only asked about what is its own. */
function whyForeign({ addresses }: VifIdentity, plan: FilterPlan, packet: TestPacket): string | undefined {
  if (plan.mode === 'deny') return 'it may do nothing (no-address)';
  if (plan.mode !== 'addresses' || plan.terms.flags.includes('observe')) return undefined;
  const out = packet.direction === 'out';
  const text = out ? packet.sourceText : packet.destinationText;
  const address = parsePrefix(text);
  const routes = [...(plan.terms.values.route ?? []), ...(plan.terms.values.route6 ?? [])].flatMap(
    (one) => parsePrefix(one) ?? [],
  );
  const own: readonly IpPrefix[] = [
    ...addresses.ipv4,
    ...addresses.ipv6,
    ...plan.terms.values.ip6.flatMap((one) => parsePrefix(one) ?? []),
    ...routes,
  ];
  if (address !== undefined && own.some((one) => contains(one, address))) return undefined;
  const reason = `${packet.family === 4 ? 'ip' : 'ip6'}-${out ? 'src' : 'dst'}`;
  return `${text} is not its address (${reason})`;
}

function placeOf({ at }: Rule): string {
  return `${at.file}:${at.line}`;
}

interface TestPacket extends Packet {
  readonly sourceText: string;
  readonly destinationText: string;
}

const FORM =
  'write in tcp 203.0.113.9:4711 192.0.2.5:22, or out icmp echo-request 192.0.2.5 203.0.113.9; IPv6 as [2001:db8::1]:80';

function parsePacket([direction, protocol, ...rest]: readonly string[]): TestPacket {
  const wrong = (message: string): Failure => new Failure('input', message, { at: 'the command line', hint: FORM });
  const way = RULE_DIRECTIONS.find((one) => one === direction);
  if (way === undefined) throw wrong(`${shown(direction ?? '')} is no direction: in or out`);
  const number = protocolNumber(protocol ?? '');
  if (number === undefined) throw wrong(`${shown(protocol ?? '')} is no protocol`);
  const type = rest.length === 3 ? icmpTypeOf(number, rest[0] ?? '') : undefined;
  if (rest.length === 3 && type === undefined) throw wrong(`${shown(rest[0] ?? '')} is no type of ${protocol}`);
  if (rest.length !== 2 && rest.length !== 3) throw wrong('a packet has a source and a destination');
  const ends = rest.slice(-2).map((word) => {
    const end = parseEnd(word);
    if (end === undefined) throw wrong(`${shown(word)} is no address`);
    if (end.port !== undefined && !protocolOf(number).ports) throw wrong(`${protocol} has no ports`);
    return end;
  });
  const [source, destination] = ends;
  if (source === undefined || destination === undefined || source.family !== destination.family) {
    throw wrong('source and destination are of two families');
  }
  // What a packet does not have matches no rule: without a port, or a type, the answer would be about no packet at all.
  const { ports, family } = protocolOf(number);
  if (family !== undefined && family !== source.family) throw wrong(`${protocol} is of IPv${family}`);
  if (family !== undefined && type === undefined) throw wrong(`a packet of ${protocol} has a type`);
  if (ports && (source.port === undefined || destination.port === undefined))
    throw wrong(`a packet of ${protocol} has two ports`);
  return {
    direction: way,
    family: source.family,
    protocol: number,
    source: source.value,
    destination: destination.value,
    sourceText: source.text,
    destinationText: destination.text,
    sport: source.port,
    dport: destination.port,
    type,
  };
}

function protocolNumber(word: string): number | undefined {
  if (isProtocolName(word)) return PROTOCOLS[word].number;
  return /^(0|[1-9][0-9]{0,2})$/.test(word) && Number(word) <= 255 ? Number(word) : undefined;
}

interface End {
  readonly family: Family;
  readonly value: bigint;
  readonly text: string;
  readonly port: number | undefined;
}

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`. */
function parseEnd(word: string): End | undefined {
  const [, bracketed, bracketPort] = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(word) ?? [];
  const [, dotted, dottedPort] = /^([\d.]+):(\d{1,5})$/.exec(word) ?? [];
  const text = bracketed ?? dotted ?? word;
  const port = bracketPort ?? dottedPort;
  const address = addressValue(text);
  if (address === undefined || Number(port ?? 0) > 65_535) return undefined;
  return { ...address, text, port: port === undefined ? undefined : Number(port) };
}

/** What stands on the command line of `rules show` and `rules test`: a vif by its name, or described, and the rest. */
export function splitWords(words: readonly string[]): {
  readonly given: readonly string[];
  readonly rest: readonly string[];
} {
  return { given: words.filter(isAssignment), rest: words.filter((word) => !isAssignment(word)) };
}
