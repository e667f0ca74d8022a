/**
 * No guest fills a table for another: what one can have in each is counted from the text that is loaded, by Little's
 * law (as many as come in a second, times the seconds that one lives), so a limit or a time that is changed shows here.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { renderBase } from '../../src/backends/nftables/base-text.ts';
import { parsePolicy } from '../policy/effective.ts';

const BASE = renderBase(
  'base/test',
  parsePolicy('[defaults]\nrules = web\nnwfilter = web\n[rules web]\nin drop\n', 'test'),
);
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const seconds = (text: string): number => Number(text.slice(0, -1)) * (UNITS[text.slice(-1)] ?? Number.NaN);

/** How many it can hold, and how long one lives that says nothing of it. */
const SETS = new Map(
  [
    ...BASE.matchAll(
      /^ {2}set ((?:flows|tracked)-\S+|rations) \{.* size (\d+); flags dynamic,timeout; timeout (\w+); \}$/gm,
    ),
  ].map(([, name = '', size, time = '']) => [name, { size: Number(size), time: seconds(time) }]),
);
const CHAINS = [...BASE.matchAll(/^ {2}chain (\S+) \{\n([\s\S]*?)^ {2}\}$/gm)].map(([, name = '', body = '']) => ({
  name,
  rules: body
    .trim()
    .split('\n')
    // What is added with the most it can have is shortened at once (flow-keys.ts: note).
    .map((line) => line.trim().replaceAll(/add @(\S+) \{ ([^}]*) timeout \w+ \} (?=update @\1 \{ \2 timeout )/g, '')),
}));

/** Where there is no room for what has ended it stays where it was, and so in the share of its guest. */
const UNSHARED = /^flows-closing-/;
/** Limits: an element for each guest. */
const LIMITS = /^rations$/;

interface Limit {
  readonly rate: number;
  readonly burst: number;
  /** Two rules with one limit share what it lets through. */
  readonly shared: string;
}

const LIMIT = /update @(\S+) \{ [io]ifgroup(?: \. (0x\w+))? limit rate (over )?(\d+)\/second burst (\d+) packets \}/g;

/** The last limit in front of an element that a rule makes: in the rule, or in one before that lets go no further. */
function limitOf(rules: readonly string[], at: number, place: number): Limit | undefined {
  return rules
    .slice(0, at + 1)
    .flatMap((rule, index): Limit[] => {
      const stops = /(accept|drop|goto \S+)( comment "\S+")?$/.test(rule);
      return [...rule.matchAll(LIMIT)].flatMap((found): Limit[] => {
        const [, set, code = '', over, rate, burst] = found;
        if (index === at ? found.index > place : over === undefined || !stops) return [];
        return [{ rate: Number(rate), burst: Number(burst), shared: `${set} ${code}` }];
      });
    })
    .at(-1);
}

/** The rules that lead to a chain, where all of it is: what is limited there is limited here. */
function leadingTo(name: string): { readonly rules: readonly string[]; readonly at: number }[] {
  return CHAINS.flatMap(({ rules }) =>
    rules.flatMap((rule, at) => (rule.endsWith(` goto ${name}`) ? [{ rules, at }] : [])),
  );
}

/** What one guest can have in each set. */
function shares(): ReadonlyMap<string, number> {
  const most = new Map<string, Map<string, number>>();
  for (const { name, rules } of CHAINS) {
    for (const [at, rule] of rules.entries()) {
      for (const { index, 1: set = '', 2: key = '' } of rule.matchAll(/(?:add|update) @(\S+) \{ ([^}]*) \}/g)) {
        const known = SETS.get(set);
        if (known === undefined || key.includes('limit rate') || UNSHARED.test(set)) continue;
        const time = seconds(/timeout (\w+)$/.exec(key)?.[1] ?? `${known.time}s`);
        const own = limitOf(rules, at, index);
        const limits = own === undefined ? leadingTo(name).map((one) => limitOf(one.rules, one.at, Infinity)) : [own];
        assert.ok(limits.length > 0, `nothing limits ${set} in ${name}: ${rule}`);
        for (const limit of limits) {
          assert.ok(limit !== undefined, `nothing limits ${set} in ${name}: ${rule}`);
          const lives = limit.rate * time + limit.burst;
          const ofSet = most.get(set) ?? new Map<string, number>();
          // With several times the longest counts: the same limit is not used up twice.
          most.set(set, ofSet.set(limit.shared, Math.max(ofSet.get(limit.shared) ?? 0, lives)));
        }
      }
    }
  }
  return new Map([...most].map(([set, ofSet]) => [set, [...ofSet.values()].reduce((sum, one) => sum + one, 0)]));
}

test('one guest never fills a table of conversations', () => {
  const found = shares();
  const held = [...SETS].filter(([name]) => !UNSHARED.test(name) && !LIMITS.test(name));
  assert.equal(held.length, 92, [...SETS.keys()].join());
  for (const [name, { size }] of held) {
    const share = found.get(name);
    assert.ok(share !== undefined, `${name}: nothing is put there`);
    assert.ok(share * 1.4 <= size, `${name}: one guest can have ${share} of ${size}`);
  }
});

test('of the long conversations of TCP one guest has a seventh at most', () => {
  const share = shares().get('flows-tcp-ip') ?? Number.NaN;
  const { size = 0 } = SETS.get('flows-tcp-ip') ?? {};
  assert.ok(share <= size / 7, `${share} of ${size}`);
});

test('a limit is full again before its element ends, which would give it back too early', () => {
  const limits = [...BASE.matchAll(LIMIT)].filter(([, set = '']) => LIMITS.test(set));
  assert.ok(limits.length > 20);
  for (const [text, set = '', , , rate, burst] of limits) {
    assert.ok(Number(burst) / Number(rate) < (SETS.get(set)?.time ?? 0), text);
  }
});
