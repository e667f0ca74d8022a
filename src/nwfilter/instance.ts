import { Failure } from '../errors.ts';
import type { OwnName } from '../rules/chain-program.ts';
import { type Asked, type FilterDocument, type FilterReference, type FilterRule, isReference } from './document.ts';
import { isOfLayer2 } from './impossible.ts';
import { type AttributeKind, filterProtocol } from './protocols.ts';
import type { Value } from './value.ts';
import { variableText } from './variable.ts';

/** Finds a filter by its name. @throws Failure `input` for one that is not there or is refused */
export type FindFilter = (name: string) => FilterDocument;

/** The values of a variable; the guest's own ones stay what they are, so that guests share a program. */
export interface Variables {
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly own: ReadonlyMap<string, OwnName>;
  /** Its addresses are only known later: `learn = dhcp`. */
  readonly unknown: ReadonlySet<string>;
}

/** What a rule asks of a field, with its value; `own` where it is the guest's, whoever it is. */
export interface Resolved {
  readonly value:
    | Value
    | { readonly kind: 'own'; readonly own: OwnName }
    | { readonly kind: 'block'; readonly text: string };
  readonly negated: boolean;
}

/** One rule of the tree, with one combination of values. */
export interface RuleInstance {
  readonly rule: FilterRule;
  /** The filter that it is written in. */
  readonly filter: string;
  readonly chain: string;
  readonly chainPriority: number;
  readonly priority: number;
  readonly asks: ReadonlyMap<string, Resolved>;
}

/** What asks for no protocol too: all that comes to its chain. */
export function isLayer2({ rule }: RuleInstance): boolean {
  return isOfLayer2(rule);
}

interface Placed {
  readonly rule: FilterRule;
  readonly filter: FilterDocument;
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/**
 * All rules of a filter and of those that it refers to, in their order: those of `root` first, then by priority, equal
 * ones as they are written (libvirt's virNWFilterRuleInstSort).
 *
 * @throws Failure `input` with all that is missing or wrong
 */
export function instances(name: string, find: FindFilter, variables: Variables): RuleInstance[] {
  const placed = [...inTree(name, find, variables.values, [])];
  const missing = new Set(placed.flatMap((one) => missingOf(one, variables)));
  if (missing.size > 0) {
    const names = [...missing].sort();
    throw new Failure('input', `nwfilter ${name} needs ${names.join(', ')}`, {
      at: placed
        .filter((one) => missingOf(one, variables).length > 0)
        .map(({ rule }) => `${rule.at.file}:${rule.at.line}`)[0],
      hint: hintFor(names[0] ?? ''),
    });
  }
  return placed
    .map((one, at) => ({ one, at, isRoot: one.filter.chain === 'root' }))
    .sort((a, b) => Number(b.isRoot) - Number(a.isRoot) || a.one.rule.priority - b.one.rule.priority || a.at - b.at)
    .flatMap(({ one, isRoot }) =>
      combinations(one, variables).map((asks) => ({
        rule: one.rule,
        filter: one.filter.name,
        chain: one.filter.chain,
        chainPriority: one.filter.priority,
        priority: isRoot ? one.rule.priority : Math.max(one.rule.priority, one.filter.priority),
        asks,
      })),
    );
}

/**
 * The rules of a filter and of those that it refers to, whatever the values of their variables.
 *
 * @throws Failure `input` for a filter that is not there, or is refused
 */
export function rulesInTree(name: string, find: FindFilter): FilterRule[] {
  return [...inTree(name, find, new Map(), [])].map(({ rule }) => rule);
}

/** @param variable `$Q`, `$Q[2]` */
function hintFor(variable: string): string {
  const name = /\w+/.exec(variable)?.[0] ?? 'NAME';
  if (name === 'IP' || name === 'IPV6') return `give the guest such an address, or write nwfilter.${name} = ...`;
  return `write nwfilter.${name} = ... for the guest, or ${name}=... on the command line`;
}

const MOST_RULES = 10_000;

function* inTree(
  name: string,
  find: FindFilter,
  values: ReadonlyMap<string, readonly string[]>,
  path: readonly string[],
): Generator<Placed> {
  if (path.includes(name)) {
    throw new Failure('input', `filters refer to each other in a circle: ${[...path, name].join(' -> ')}`, {
      hint: 'take one <filterref> out',
    });
  }
  const filter = find(name);
  for (const entry of filter.entries) {
    if (isReference(entry)) {
      // What the referrer has wins; parameters are defaults.
      const inside = new Map([...entry.parameters, ...values]);
      yield* inTree(entry.filter, (one) => referred(one, find, entry), inside, [...path, name]);
    } else yield { rule: entry, filter, values };
  }
}

/** With the place that refers to it: a filter that is missing is named by others only. */
function referred(name: string, find: FindFilter, { filter, at }: FilterReference): FilterDocument {
  try {
    return find(name);
  } catch (error) {
    if (!(error instanceof Failure) || name !== filter) throw error;
    const place = [`${at.file}:${at.line}`, error.at].filter((one) => one !== undefined).join(', ');
    throw new Failure(error.code, error.message, { at: place, hint: error.hint });
  }
}

function missingOf({ rule, values }: Placed, { unknown }: Variables): string[] {
  return [...rule.asks.values()].flatMap(({ value }) => {
    if (value.kind !== 'variable') return [];
    const list = values.get(value.variable.name);
    const there =
      list !== undefined && (value.variable.element === undefined || list[value.variable.element] !== undefined);
    return there || unknown.has(value.variable.name) ? [] : [variableText(value.variable)];
  });
}

/** Where a mask stands beside an address, only all of it together is a value. */
const MASKS: Readonly<Record<string, string>> = {
  srcmacaddr: 'srcmacmask',
  dstmacaddr: 'dstmacmask',
  srcipaddr: 'srcipmask',
  dstipaddr: 'dstipmask',
  arpsrcipaddr: 'arpsrcipmask',
  arpdstipaddr: 'arpdstipmask',
  arpsrcmacaddr: '',
  arpdstmacaddr: '',
};

/** A rule is made once for every combination (libvirt's virNWFilterVarCombIter). */
function combinations({ rule, values, filter }: Placed, variables: Variables): Map<string, Resolved>[] {
  const symbolic = ownIn(rule, values, variables);
  for (const [attribute, { value }] of rule.asks) {
    if (value.kind !== 'variable' || symbolic.has(attribute) || values.has(value.variable.name)) continue;
    throw new Failure(
      'input',
      `nwfilter ${filter.name}: this use of ${variableText(value.variable)} needs addresses that are known`,
      {
        at: `${rule.at.file}:${rule.at.line}`,
        hint: 'a guest that learns its addresses can only be asked for them as they are: srcipaddr, dstipaddr, without match=no',
      },
    );
  }
  const groups = new Map<number, string[]>();
  for (const [attribute, { value }] of rule.asks) {
    if (value.kind !== 'variable' || symbolic.has(attribute) || value.variable.iterator === undefined) continue;
    const names = groups.get(value.variable.iterator) ?? [];
    if (!names.includes(value.variable.name)) names.push(value.variable.name);
    groups.set(value.variable.iterator, names);
  }
  let chosen: ReadonlyMap<number, number>[] = [new Map()];
  for (const [iterator, names] of groups) {
    const steps = stepsOf(names, values, rule);
    // The first one runs fastest.
    chosen = steps.flatMap((step) => chosen.map((one) => new Map([...one, [iterator, step]])));
    if (chosen.length > MOST_RULES) {
      throw new Failure('input', `nwfilter ${filter.name}: a rule has more than ${MOST_RULES} combinations of values`, {
        at: `${rule.at.file}:${rule.at.line}`,
        hint: 'write $NAME instead of $NAME[@1] where lists belong together',
      });
    }
  }
  return chosen.map((steps) => resolvedAsks(rule, values, symbolic, steps));
}

function stepsOf(names: readonly string[], values: Placed['values'], rule: FilterRule): number[] {
  const lists = names.map((name) => values.get(name) ?? []);
  const [first = []] = lists;
  if (lists.some((list) => list.length !== first.length)) {
    const counts = names.map((name, at) => `$${name} has ${lists[at]?.length}`).join(', ');
    throw new Failure('input', `lists that step together are not equally long: ${counts}`, {
      at: `${rule.at.file}:${rule.at.line}`,
      hint: 'give them as many values, or another iterator: $NAME[@1]',
    });
  }
  const tuple = (at: number): string => JSON.stringify(lists.map((list) => list[at]));
  return first.map((_, at) => at).filter((at) => first.findIndex((_one, before) => tuple(before) === tuple(at)) === at);
}

/**
 * The attributes whose variable can stay the guest's own: it stands alone in its iterator, once, for all of an address;
 * negated only if there is one value, because libvirt makes a rule of each, and these drop everything.
 */
function ownIn(
  rule: FilterRule,
  values: Placed['values'],
  { own, values: given, unknown }: Variables,
): Map<string, OwnName> {
  const found = new Map<string, OwnName>();
  const uses = [...rule.asks].flatMap(([attribute, { value, negated }]) =>
    value.kind === 'variable' ? [{ attribute, variable: value.variable, negated }] : [],
  );
  for (const { attribute, variable, negated } of uses) {
    const name = own.get(variable.name);
    const mask = MASKS[attribute];
    if (name === undefined || mask === undefined || rule.asks.has(mask) || variable.iterator === undefined) continue;
    // A parameter of the same name may stand in its place.
    const list = values.get(variable.name) ?? [];
    if (list !== given.get(variable.name) && !unknown.has(variable.name)) continue;
    const together = uses.filter((one) => one.variable.iterator === variable.iterator);
    const isOne = list.length === 1 && !list[0]?.includes('/');
    const alone = together.length === 1;
    const allOne = isOne && together.every((one) => (values.get(one.variable.name) ?? []).length === 1);
    if (unknown.has(variable.name) ? alone && !negated : allOne || (alone && !negated)) found.set(attribute, name);
  }
  return found;
}

function resolvedAsks(
  rule: FilterRule,
  values: Placed['values'],
  symbolic: ReadonlyMap<string, OwnName>,
  steps: ReadonlyMap<number, number>,
): Map<string, Resolved> {
  const kinds: Readonly<Record<string, AttributeKind>> =
    rule.protocol === undefined ? {} : filterProtocol(rule.protocol).attributes;
  const resolve = ([attribute, { value, negated }]: [string, Asked]): [string, Resolved] => {
    if (value.kind !== 'variable') return [attribute, { value, negated }];
    const own = symbolic.get(attribute);
    if (own !== undefined) return [attribute, { value: { kind: 'own', own }, negated }];
    const { name, element, iterator } = value.variable;
    const text = values.get(name)?.[element ?? steps.get(iterator ?? 0) ?? 0] ?? '';
    const read = kinds[attribute]?.kind.read(text);
    if (read !== undefined && !('wrong' in read)) return [attribute, { value: read, negated }];
    // An own block of addresses.
    if (
      /^[0-9a-f.:]+\/\d+$/i.test(text) &&
      MASKS[attribute]?.includes('ip') &&
      !rule.asks.has(MASKS[attribute] ?? '')
    ) {
      return [attribute, { value: { kind: 'block', text }, negated }];
    }
    throw new Failure('input', `${attribute}: $${name} is ${text}, which is not possible there`, {
      at: `${rule.at.file}:${rule.at.line}`,
      hint: kinds[attribute]?.kind.possible,
    });
  };
  return new Map([...rule.asks].map(resolve));
}
