import type { Direction } from '../../filter/reasons.ts';
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
    const rule = /^(-.*?)(?:, pcnt = (\d+) -- bcnt = (\d+))?$/.exec(line.trim());
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

/**
 * What the chains of one vif have dropped. A rule is known by its place, so a chain that has not the rules it should
 * have counts for nothing.
 */
export function chainDrops(
  listing: EbtListing,
  chains: readonly EbtChain[],
  direction: Direction,
): Omit<DropCount, 'ifindex'>[] {
  const sums = new Map<string, { packets: number; bytes: number }>();
  for (const chain of chains) {
    const listed = listing.get(chain.name);
    if (listed === undefined || listed.length !== chain.rules.length) continue;
    for (const [at, rule] of chain.rules.entries()) {
      if (rule.reason !== undefined) add(sums, rule.reason, listed[at]);
    }
  }
  return [...sums].map(([reason, sum]) => ({ direction, reason, ...sum }));
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

function add(
  sums: Map<string, { packets: number; bytes: number }>,
  reason: string,
  rule: ListedRule | undefined,
): void {
  if (rule === undefined || rule.packets === 0) return;
  const sum = sums.get(reason) ?? { packets: 0, bytes: 0 };
  sums.set(reason, { packets: sum.packets + rule.packets, bytes: sum.bytes + rule.bytes });
}
