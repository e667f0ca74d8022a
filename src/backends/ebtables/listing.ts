import { counterCode, type Direction, reasonOfCode } from '../../filter/reasons.ts';
import type { DropCount, RuleCount } from '../backend.ts';
import type { EbtChain } from './stages.ts';
import { closedPorts, EBT_HOOKS, type EbtHook, type EbtPort, linkLocalRule, PORT_CHAINS } from './text.ts';

/** One chain as `ebtables -L --Lc` prints it: its rules in order. */
export type EbtListing = ReadonlyMap<string, readonly ListedRule[]>;

export interface ListedRule {
  readonly text: string;
  readonly packets: number;
  readonly bytes: number;
}

/** A table as `ebtables -L --Lc` prints it. */
export interface ListedTable {
  readonly chains: EbtListing;
  /** What becomes of a frame at the end of a chain. */
  readonly policies: ReadonlyMap<string, string>;
}

/** What becomes of a frame at the end of each chain. */
export function parsePolicies(text: string): ReadonlyMap<string, string> {
  const heads = text.matchAll(/^Bridge chain: (\S+), entries: \d+, policy: (\S+)$/gm);
  return new Map([...heads].map(([, chain = '', policy = '']) => [chain, policy]));
}

/** Reads `ebtables -t TABLE -L --Lc`; both variants print the same form. */
export function parseListing(text: string): EbtListing {
  const chains = new Map<string, ListedRule[]>();
  let rules: ListedRule[] = [];
  for (const line of text.split('\n')) {
    const chain = /^Bridge chain: (\S+), entries: /.exec(line)?.[1];
    if (chain !== undefined) {
      rules = [];
      chains.set(chain, rules);
      continue;
    }
    const rule = /^((?:! )?-.*?)(?:, pcnt = (\d+) -- bcnt = (\d+))?$/.exec(line.trim());
    if (rule?.[1] === undefined) continue;
    rules.push({ text: rule[1].trim(), packets: Number(rule[2] ?? 0), bytes: Number(rule[3] ?? 0) });
  }
  return chains;
}

/** How often a built-in chain jumps to ours. */
export function countJumps(listing: EbtListing, hook: EbtHook): number {
  return (listing.get(hook.builtin) ?? []).filter((rule) => rule.text === `-j ${hook.chain}`).length;
}

/** The chains of vifs that are in the kernel, by the form of their names: `vif1.0-in`, and what stands below it. */
export function vifChains(listing: EbtListing): string[] {
  const all = [...listing.keys()];
  const below = all.filter((name) => /^[^/]+-(in|out)\/[a-z0-9-]+$/.test(name));
  const jumped = [PORT_CHAINS.in, PORT_CHAINS.out]
    .flatMap((chain) => listing.get(chain) ?? [])
    .flatMap((rule) => /^-[io] \S+ -j (\S+-(?:in|out))$/.exec(rule.text)?.[1] ?? []);
  const main = new Set([...below.map((name) => name.slice(0, name.indexOf('/'))), ...jumped]);
  return [...all.filter((name) => main.has(name)), ...below];
}

/** What each rule of some chains counts for, as the record of a port has it. */
export function countsOf(chains: readonly EbtChain[], direction: Direction): string[] {
  return chains.map(({ rules }) =>
    rules.map(({ reason }) => (reason === undefined ? 0 : counterCode(direction, reason))).join(' '),
  );
}

/** The chains of a port as they were loaded. */
function loadedChains({ chains, counts = [] }: Pick<EbtPort, 'chains' | 'counts'>): readonly LoadedChain[] {
  return chains.flatMap((name, at) => {
    const codes = counts[at];
    return codes === undefined ? [] : [{ name, codes: codes === '' ? [] : codes.split(' ').map(Number) }];
  });
}

interface LoadedChain {
  readonly name: string;
  /** One for each rule. */
  readonly codes: readonly number[];
}

/**
 * What the chains of one vif have dropped. A rule is known by its place, so a chain that has not the rules it should
 * have counts for nothing.
 */
export function chainDrops(
  listing: EbtListing,
  port: Pick<EbtPort, 'chains' | 'counts'>,
): Omit<DropCount, 'ifindex'>[] {
  const sums = new Map<number, { packets: number; bytes: number }>();
  for (const { name, codes } of loadedChains(port)) {
    const listed = listing.get(name);
    if (listed === undefined || listed.length !== codes.length) continue;
    for (const [at, code] of codes.entries()) add(sums, code, listed[at]);
  }
  return [...sums].flatMap(([code, sum]) => {
    const what = reasonOfCode(code);
    return what === undefined ? [] : [{ ...what, ...sum }];
  });
}

/** What the lines of a guest's rules have counted, by direction and number. */
export function lineCounts(listing: EbtListing, chains: readonly EbtChain[]): Map<string, RuleCount> {
  const sums = new Map<string, RuleCount>();
  for (const { name, rules } of chains) {
    for (const [at, { line }] of rules.entries()) {
      if (line !== undefined) add(sums, line, listing.get(name)?.[at]);
    }
  }
  return sums;
}

/** True if all chains of a port are there with all the rules that were loaded. */
export function isAsLoaded(listing: EbtListing, port: Pick<EbtPort, 'chains' | 'counts'>): boolean {
  return loadedChains(port).every(({ name, codes }) => listing.get(name)?.length === codes.length);
}

/** True if all chains are there with all their rules. */
export function isWhole(listing: EbtListing, chains: readonly EbtChain[]): boolean {
  return chains.every(({ name, rules }) => listing.get(name)?.length === rules.length);
}

/** What the link-local chains of the filter table have dropped for one port. */
export function linkLocalDrops(listing: EbtListing, port: EbtPort): Omit<DropCount, 'ifindex'>[] {
  if (closedPorts([port]).length === 0) return [];
  return (
    [
      ['from-guest', EBT_HOOKS.localIn.chain, '-i'],
      ['to-guest', EBT_HOOKS.localOut.chain, '-o'],
    ] as const
  ).flatMap(([direction, chain, by]) => {
    const sums = new Map<string, { packets: number; bytes: number }>();
    const rule = listing.get(chain)?.find((one) => one.text === linkLocalRule(by, port));
    add(sums, 'link-local', rule);
    return [...sums].map(([reason, sum]) => ({ direction, reason, ...sum }));
  });
}

function add<Key>(sums: Map<Key, { packets: number; bytes: number }>, reason: Key, rule: ListedRule | undefined): void {
  if (rule === undefined || rule.packets === 0) return;
  const sum = sums.get(reason) ?? { packets: 0, bytes: 0 };
  sums.set(reason, { packets: sum.packets + rule.packets, bytes: sum.bytes + rule.bytes });
}
