import { Failure } from '../errors.ts';
import type { Family } from '../net/address-range.ts';
import {
  type ChainOutcome,
  type ChainProgram,
  type ChainRule,
  type FilterChain,
  type FrameTest,
  meaningText,
  PACKET_CLASSES,
  type PacketClass,
  type RuleOrigin,
} from '../rules/chain-program.ts';
import { RULE_DIRECTIONS, type RuleDirection } from '../rules/rule.ts';
import { chainKind, type FilterRule } from './document.ts';
import { impossibleIn, statesOf } from './impossible.ts';
import { CLEAN_TRAFFIC, inertReason, programNotes } from './inert.ts';
import { type FindFilter, instances, isLayer2, type RuleInstance, rulesInTree, type Variables } from './instance.ts';
import { instanceText } from './listing.ts';
import { filterProtocol } from './protocols.ts';
import { layer2Tests, layer4Tests } from './tests.ts';
import type { StateName } from './value.ts';

/**
 * The program that a filter makes, with libvirt's own meaning (its ebtables and iptables driver, 9.0): rules of layer 2
 * first, in their chains; what they accept is judged by those of layer 4. The end of all is: it may pass.
 *
 * @throws Failure `input` for what is missing, wrong, or cannot be honoured: never a broader rule
 */
export function filterProgram(name: string, find: FindFilter, variables: Variables): ChainProgram {
  const all = instances(name, find, variables);
  for (const { rule, asks } of all) refuseImpossible(name, rule, asks);
  return new Builder(name, all).program();
}

/**
 * Looks at a filter, and those that it refers to, without a guest: what values its variables have is not asked.
 *
 * @throws Failure `input` for what no guest can have
 */
export function checkFilterTree(name: string, find: FindFilter): void {
  for (const rule of rulesInTree(name, find)) refuseImpossible(name, rule);
}

function familyOf({ rule }: RuleInstance): Family | undefined {
  return rule.protocol === undefined ? undefined : filterProtocol(rule.protocol).family;
}

function refuseImpossible(name: string, rule: FilterRule, asks?: RuleInstance['asks']): void {
  const found = impossibleIn(rule, asks);
  if (found === undefined) return;
  const at = `${rule.at.file}:${rule.at.line}`;
  throw new Failure('input', `nwfilter ${name}: ${found.message}`, { at, hint: found.hint });
}

function originOf(instance: RuleInstance): RuleOrigin {
  return { text: instanceText(instance), at: instance.rule.at };
}

/** An entry of layer 4, and of which packets it is asked; all, if it does not say. */
interface Entry {
  readonly tests: readonly FrameTest[];
  readonly classes: readonly PacketClass[] | undefined;
  readonly verdict: 'accept' | 'drop' | 'reject';
  readonly origin: RuleOrigin;
}

const ORIGINAL: readonly PacketClass[] = ['new', 'established'];
const CLASSES: Readonly<Record<StateName, readonly PacketClass[]>> = {
  NEW: ['new'],
  ESTABLISHED: ['established', 'reply'],
  RELATED: ['related'],
  INVALID: [],
  NONE: PACKET_CLASSES,
};

/** Whether source and destination are exchanged in the entry for a direction; `inout` is read as `in`. */
function reverseOf({ rule }: RuleInstance, direction: RuleDirection): boolean {
  return direction === 'out' ? rule.way !== 'out' : rule.way === 'out';
}

/** What libvirt makes of a rule for one direction (iptablesCreateRuleInstance); undefined: nothing. */
function entryOf(instance: RuleInstance, direction: RuleDirection): Entry | undefined {
  const { rule, asks } = instance;
  const reverse = reverseOf(instance, direction);
  const isOwn = rule.way === direction;
  const typed = asks.has('type');
  if (typed && !isOwn) return undefined;
  const states = rule.tracked ? statesOf(asks) : undefined;
  if (states !== undefined && rule.way !== 'inout' && !isOwn) return undefined;
  if (rule.action === 'continue') return undefined;
  const tests = layer4Tests(instance, reverse);
  if (tests === undefined) return undefined;
  const verdict =
    rule.action === 'drop' || rule.action === 'accept' ? rule.action : rule.action === 'return' ? 'accept' : 'reject';
  // In the mirrored entry, nobody can be told.
  const shown = verdict === 'reject' && direction === 'in' ? 'drop' : verdict;
  return { tests, classes: classesOf(), verdict: shown, origin: originOf(instance) };

  function classesOf(): readonly PacketClass[] | undefined {
    if (states !== undefined) {
      return states.includes('NONE') ? undefined : [...new Set(states.flatMap((state) => CLASSES[state]))];
    }
    if (rule.action !== 'accept' || !rule.tracked || rule.way === 'inout') return undefined;
    if (typed) return [...ORIGINAL, 'reply'];
    return reverse ? ['reply'] : ORIGINAL;
  }
}

class Builder {
  readonly #name: string;
  readonly #all: readonly RuleInstance[];
  readonly #chains: FilterChain[] = [];

  constructor(name: string, all: readonly RuleInstance[]) {
    this.#name = name;
    this.#all = all;
  }

  program(): ChainProgram {
    const tracked = ([4, 6] as const).filter((family) =>
      RULE_DIRECTIONS.some((direction) =>
        this.#entries(family, direction).some(({ classes }) => classes !== undefined),
      ),
    );
    const start = { in: this.#start('in', tracked), out: this.#start('out', tracked) };
    const listing = RULE_DIRECTIONS.flatMap((direction) =>
      [
        ...this.#order(direction).flat(),
        ...this.#all.filter((one) => !isLayer2(one) && this.#isListed(one, direction)),
      ].map((one) => ({
        direction,
        layer: isLayer2(one) ? (2 as const) : (4 as const),
        chain: one.chain,
        text: instanceText(one),
        action: one.rule.action,
        bothWays: one.rule.way === 'inout',
        tracked: one.rule.tracked,
        at: one.rule.at,
        family: familyOf(one),
        native:
          isLayer2(one) || statesOf(one.asks) !== undefined ? undefined : layer4Tests(one, reverseOf(one, direction)),
        inert: inertReason(one, direction),
      })),
    );
    return { name: this.#name, start, chains: this.#chains, listing, notes: programNotes(this.#name, this.#all) };
  }

  #isListed({ rule }: RuleInstance, direction: RuleDirection): boolean {
    return rule.way === direction || rule.way === 'inout';
  }

  /** @returns its number; a chain stands behind those that it leads to */
  #add(direction: RuleDirection, about: string, rules: readonly ChainRule[]): number {
    this.#chains.push({ direction, about, rules });
    return this.#chains.length - 1;
  }

  #entries(family: Family, direction: RuleDirection): Entry[] {
    return this.#all
      .filter((one) => !isLayer2(one) && familyOf(one) === family)
      .flatMap((one) => entryOf(one, direction) ?? []);
  }

  #start(direction: RuleDirection, tracked: readonly Family[]): number | undefined {
    const after = this.#layer4(direction, tracked);
    const root = this.#layer2(direction, after);
    if (root === undefined) return after;
    const rest: ChainRule = { when: [], so: after === undefined ? 'pass' : { goto: after } };
    return this.#add(direction, 'Layer 2, then layer 4.', [{ when: [], so: { jump: root } }, rest]);
  }

  #layer4(direction: RuleDirection, tracked: readonly Family[]): number | undefined {
    const rules = ([4, 6] as const).flatMap((family): ChainRule[] => {
      const isTracked = tracked.includes(family);
      const entries = this.#entries(family, direction);
      if (!isTracked && entries.length === 0) return [];
      const when = [etherType(family === 4 ? 0x0800 : 0x86dd)];
      const judge = this.#family(direction, family, entries, isTracked);
      return [{ when, so: { jump: judge } }, ...(isTracked ? [{ when, so: { note: family } }] : [])];
    });
    if (rules.length === 0) return undefined;
    return this.#add(direction, 'Layer 4.', [...rules, { when: [], so: 'pass' }]);
  }

  /** Where nobody asks for states there is one list, else one for each class of packets that has another one. */
  #family(direction: RuleDirection, family: Family, entries: readonly Entry[], isTracked: boolean): number {
    const version = family === 4 ? 'IPv4' : 'IPv6';
    const rulesFor = (one: PacketClass | undefined): ChainRule[] =>
      entries
        .filter(({ classes }) => one === undefined || classes === undefined || classes.includes(one))
        .map(({ tests, verdict, origin }) => ({ when: tests, so: verdict === 'accept' ? 'return' : verdict, origin }));
    if (!isTracked) return this.#add(direction, `${version}.`, rulesFor(undefined));
    const lists = new Map<string, number>();
    const listOf = (one: PacketClass): number => {
      const rules = rulesFor(one);
      const key = meaningText(rules);
      const there = lists.get(key);
      if (there !== undefined) return there;
      const made = this.#add(direction, `${version}, ${one}.`, rules);
      lists.set(key, made);
      return made;
    };
    const classes = {
      new: listOf('new'),
      established: listOf('established'),
      reply: listOf('reply'),
      related: listOf('related'),
      other: listOf('other'),
    };
    return this.#add(direction, `${version}: what is it of its conversation?`, [{ when: [], so: { classes, family } }]);
  }

  /** The rules of layer 2 in the order in which they are asked: those of `root`, and whole chains between them. */
  #order(direction: RuleDirection): (RuleInstance | RuleInstance[])[] {
    const mine = this.#all.filter((one) => isLayer2(one) && this.#isListed(one, direction));
    const subs = [...new Set(mine.map(({ chain }) => chain).filter((chain) => chain !== 'root'))]
      .map((chain) => ({
        chain,
        // Of filters that name one chain and two priorities, the last one counts.
        priority: mine.findLast((one) => one.chain === chain)?.chainPriority ?? 0,
      }))
      .sort((a, b) => a.priority - b.priority);
    const rulesOf = (chain: string): RuleInstance[] => mine.filter((one) => one.chain === chain);
    const order: (RuleInstance | RuleInstance[])[] = [];
    for (const one of rulesOf('root')) {
      while (subs[0] !== undefined && subs[0].priority <= one.priority) order.push(rulesOf(subs.shift()?.chain ?? ''));
      order.push(one);
    }
    return [...order, ...subs.map(({ chain }) => rulesOf(chain))];
  }

  /** The chains of one direction; undefined where no rule is of it. */
  #layer2(direction: RuleDirection, after: number | undefined): number | undefined {
    const order = this.#order(direction);
    if (order.length === 0) return undefined;
    const accepted: ChainOutcome = after === undefined ? 'pass' : 'return';
    const far: ChainOutcome = after === undefined ? 'pass' : { goto: after };
    const rules: ChainRule[] = [];
    for (const one of order) {
      if (Array.isArray(one)) {
        const chain = one[0]?.chain ?? '';
        const type = TYPES[chainKind(chain) ?? 'mac'];
        if (type === undefined) continue;
        const number = this.#subChain(direction, chain, type, one, far);
        rules.push({ when: type === 'any' ? [] : [etherType(type)], so: { jump: number } });
      } else {
        const { etherType: type, tests } = this.#root(one, direction);
        if (type === 0x8100 || one.rule.action === 'continue') continue;
        const verdict = layer2Verdict(one);
        const origin = originOf(one);
        const inner = this.#inner(direction, type, tests, verdict === 'drop' ? 'drop' : far, origin);
        rules.push(inner ?? { when: withType(type, tests), so: verdict === 'drop' ? 'drop' : accepted, origin });
      }
    }
    return this.#add(direction, 'Layer 2: root.', rules);
  }

  /**
   * clean-traffic drops all that is neither ARP nor IPv4, because it knows no addresses of IPv6. Here a guest has IPv6
   * only where such addresses are assigned, and is held to them: it keeps it.
   */
  #root(one: RuleInstance, direction: RuleDirection): ReturnType<typeof layer2Tests> {
    const isRest = one.rule.protocol === undefined && one.filter === 'no-other-l2-traffic';
    if (isRest && this.#name === CLEAN_TRAFFIC) return { tests: [{ ...etherType(0x86dd), not: true }] };
    return layer2Tests(one, reverseOf(one, direction));
  }

  /**
   * Own addresses are asked for by their bits: in one rule with the type of the frame nft would list these by name, and
   * not read its own list again. So the rule stands in a chain behind the type.
   */
  #inner(
    direction: RuleDirection,
    type: number | undefined,
    tests: readonly FrameTest[],
    so: ChainOutcome,
    origin: RuleOrigin,
  ): ChainRule | undefined {
    if (type === undefined || !tests.some(isBits)) return undefined;
    const number = this.#add(direction, 'Own addresses.', [{ when: tests, so, origin }]);
    return { when: [etherType(type)], so: { jump: number } };
  }

  /** @param far where goes what it accepts */
  #subChain(
    direction: RuleDirection,
    chain: string,
    type: number | 'any',
    list: readonly RuleInstance[],
    far: ChainOutcome,
  ): number {
    // From the last to the first: what comes behind a rule that needs a chain of its own is a chain too.
    let rules: ChainRule[] = [];
    for (const one of [...list].reverse()) {
      const { etherType: asked, tests } = layer2Tests(one, reverseOf(one, direction));
      if (asked === 0x8100 || one.rule.action === 'continue') continue;
      if (asked !== undefined && type !== 'any' && asked !== type) continue;
      const verdict = layer2Verdict(one);
      const so = verdict === 'accept' ? far : verdict;
      const free = type === 'any' ? asked : undefined;
      const needs = free !== undefined && tests.some(isBits);
      if (needs && so === 'return') {
        const rest = this.#add(direction, `Layer 2: ${chain}, the rest.`, rules);
        const inner = this.#add(direction, 'Own addresses.', [
          { when: tests, so, origin: originOf(one) },
          { when: [], so: { goto: rest } },
        ]);
        rules = [
          { when: [etherType(free)], so: { goto: inner } },
          { when: [], so: { goto: rest } },
        ];
      } else {
        const origin = originOf(one);
        const inner = this.#inner(direction, free, tests, so, origin);
        rules = [inner ?? { when: withType(free, tests), so, origin }, ...rules];
      }
    }
    return this.#add(direction, `Layer 2: ${chain}.`, rules);
  }
}

/** Asked for by its bits, in a set. */
function isBits(test: FrameTest): boolean {
  return 'gratuitous' in test || ('own' in test && !test.field.startsWith('ether '));
}

/** Which frames come to a chain; undefined: none that are let through so far. */
const TYPES = {
  mac: 'any',
  arp: 0x0806,
  rarp: 0x8035,
  ipv4: 0x0800,
  ipv6: 0x86dd,
  vlan: undefined,
  stp: undefined,
} as const satisfies Readonly<Record<string, number | 'any' | undefined>>;

function etherType(type: number): FrameTest & { readonly not: boolean } {
  return { field: 'ether type', within: [BigInt(type), BigInt(type)], not: false };
}

function withType(type: number | undefined, tests: readonly FrameTest[]): readonly FrameTest[] {
  return type === undefined ? tests : [etherType(type), ...tests];
}

/** On layer 2 nobody can be told; `return` in `root` ends it there. */
function layer2Verdict({ rule, chain }: RuleInstance): 'accept' | 'drop' | 'return' {
  if (rule.action === 'drop' || rule.action === 'reject') return 'drop';
  if (rule.action === 'return' && chain !== 'root') return 'return';
  return 'accept';
}
