import { isGuestPort } from '../../net/vif-name.ts';
import type { RuleDrift, WishedRules } from '../backend.ts';
import { chainDifference } from './chain-difference.ts';
import { asksOf, listedRule, spelling, targetOf } from './spelling.ts';
import type { Ebt, ListedTables } from './tables.ts';
import { EBT_HOOKS, type EbtHook, type EbtPort } from './text.ts';

/** A chain as it is to be, in our words. */
export interface WishedChain {
  readonly table: EbtHook['table'];
  readonly name: string;
  readonly policy: string;
  readonly rules: readonly string[];
}

/**
 * The chains that a load makes.
 *
 * @param text for `ebtables-restore --noflush`
 */
export function wishedChains(text: string): WishedChain[] {
  const chains = new Map<string, { table: EbtHook['table']; name: string; policy: string; rules: string[] }>();
  let table: EbtHook['table'] = 'nat';
  for (const line of text.split('\n')) {
    const [, begun] = /^\*(nat|filter)$/.exec(line) ?? [];
    if (begun === 'nat' || begun === 'filter') table = begun;
    const [, declared, policy = ''] = /^:(\S+) (\S+)$/.exec(line) ?? [];
    if (declared !== undefined) chains.set(`${table} ${declared}`, { table, name: declared, policy, rules: [] });
    const [, name = '', rule = ''] = /^-A (\S+) (.*)$/.exec(line) ?? [];
    chains.get(`${table} ${name}`)?.rules.push(rule);
  }
  return [...chains.values()];
}

/** What is compared with what. */
export interface Comparison {
  readonly wished: readonly WishedChain[];
  readonly tables: ListedTables;
  /** All vifs that have chains, and whose chains and rules are meant. */
  readonly ports: readonly EbtPort[];
  readonly asked: Pick<WishedRules, 'planned' | 'all'>;
}

/**
 * Compares chains rule by rule. Repaired by every load: each chain that it touches is made anew, in one exchange.
 *
 * @returns undefined where it is not known how ebtables writes rules
 */
export async function chainDrift(ebt: Ebt, comparison: Comparison): Promise<RuleDrift[] | undefined> {
  const { wished, tables, ports, asked } = comparison;
  const own = new Set(asked.planned.map(({ port }) => port.device));
  const ownerOf = ownersOf(ports);
  const meant = wished.filter(({ name }) => {
    const owner = ownerOf.chain(name);
    return owner === undefined || own.has(owner);
  });
  const spelt = await spelling(
    ebt,
    meant.flatMap(({ rules }) => rules),
  );
  if (spelt === undefined) return undefined;
  const drifts = meant.flatMap((chain) => {
    const owner = ownerOf.chain(chain.name);
    const told = (change: RuleDrift['change'], what: string, device = owner): RuleDrift => ({
      device,
      place: placeOf(chain),
      change,
      what,
      text: what,
      recorded: true,
    });
    const { chains, policies } = tables[chain.table];
    const found = chains.get(chain.name)?.map(({ text }) => listedRule(text));
    if (found === undefined) return [told('missing', 'the whole chain')];
    const rules = chain.rules.map(spelt.rule);
    const { missing, foreign } =
      owner === undefined ? chainDifference(inBlocks(rules), inBlocks(found)) : chainDifference(rules, found);
    const policy = policies.get(chain.name);
    const wishedPolicy = spelt.policy(chain.policy);
    return [
      ...missing.map((rule) => told('missing', rule, owner ?? ownerOf.rule(rule))),
      ...foreign.map((rule) => told('foreign', rule, owner ?? ownerOf.rule(rule))),
      ...(policy === wishedPolicy
        ? []
        : [told('missing', `policy ${wishedPolicy}`), told('foreign', `policy ${policy}`)]),
    ];
  });
  return [...drifts, ...inFront(tables, ports)].filter(
    ({ device }) =>
      device === undefined || own.has(device) || (asked.all && !ports.some((port) => port.device === device)),
  );
}

/** What stands in front of ours at a hook, may be about a port of ours, and decides. */
function inFront(tables: ListedTables, ports: readonly EbtPort[]): RuleDrift[] {
  return Object.values(EBT_HOOKS).flatMap((hook) => {
    const rules = (tables[hook.table].chains.get(hook.builtin) ?? []).map(({ text }) => text);
    const ours = rules.indexOf(`-j ${hook.chain}`);
    return rules
      .slice(0, Math.max(0, ours))
      .filter((rule) => !['', 'CONTINUE'].includes(targetOf(rule)) && mayBeAbout(rule, ports))
      .map((rule) => ({
        device: undefined,
        place: `${hook.table} ${hook.builtin}`,
        change: 'foreign',
        what: `${rule} (in front of ours)`,
        text: rule,
        recorded: true,
      }));
  });
}

function mayBeAbout(rule: string, ports: readonly EbtPort[]): boolean {
  const [, not, name] = /(?:^| )-[io] (! )?(\S+)/.exec(rule) ?? [];
  if (name === undefined || not !== undefined) return true;
  const begins = name.endsWith('+') ? name.slice(0, -1) : undefined;
  return ports.some((port) => (begins === undefined ? port.name === name : port.name.startsWith(begins)));
}

/** Whose a chain is, by its name, and a rule of a chain that all share, by the port or MAC that it names. */
function ownersOf(ports: readonly EbtPort[]): {
  readonly chain: (name: string) => string | undefined;
  readonly rule: (rule: string) => string | undefined;
} {
  const byChain = new Map(ports.flatMap(({ device, chains }) => chains.map((name) => [name, device] as const)));
  const byName = new Map(ports.map(({ name, device }) => [name, device]));
  return {
    chain: (name) => byChain.get(name),
    rule(rule) {
      const [, name = ''] = /(?:^| )-[io] (\S+)/.exec(rule) ?? [];
      return byName.get(name) ?? (isGuestPort(name) && !name.endsWith('+') ? name : undefined);
    },
  };
}

/**
 * In chains that all share the order of ports is that in which they came. So what follows each other and asks for the
 * same things is brought into one order; what it asks for decides which of them meets a frame.
 */
function inBlocks(rules: readonly string[]): string[] {
  const blocks: string[][] = [];
  let last: string | undefined;
  for (const rule of rules) {
    const now = asksOf(rule);
    if (now === last) blocks.at(-1)?.push(rule);
    else blocks.push([rule]);
    last = now;
  }
  return blocks.flatMap((block) => block.sort());
}

function placeOf({ table, name }: WishedChain): string {
  return table === 'nat' ? name : `${table} ${name}`;
}
