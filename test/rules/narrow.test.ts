/**
 * Rules only narrow: what stands in their place without them is an `accept`, and a program can lead to nothing but what
 * is judged again, or dropped. So no list of rules, whatever it says, lets a frame through that the stages drop.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { renderBase } from '../../src/backends/nftables/base-text.ts';
import { programText } from '../../src/backends/nftables/rule-program.ts';
import { portText } from '../../src/backends/nftables/text.ts';
import { combine, parsePolicyText } from '../../src/policy/parse-policy.ts';
import { program } from '../../src/policy/rule-lists.ts';
import { programDigest, type RuleProgram } from '../../src/rules/program.ts';
import { planFor } from '../filter/vif.ts';
import { parsePolicy } from '../policy/effective.ts';
import { otherOrder, ruleLines } from './random-programs.ts';

function read(lines: readonly string[]): RuleProgram {
  const text = parsePolicyText(`[rules random]\n${lines.join('\n')}\n[defaults]\nrules = random\n`, 'random');
  assert.deepEqual(text.problems, [], lines.join('\n'));
  return program(combine([text]).ruleLists, ['random']);
}

/** The chains of a base: name -> its lines. */
function chainsOf(base: string): Map<string, string[]> {
  return new Map(
    [...base.matchAll(/^ {2}chain (\S+) \{\n([\s\S]*?)^ {2}\}$/gm)].map(([, name = '', body = '']) => [
      name,
      body
        .trim()
        .split('\n')
        .map((line) => line.trim()),
    ]),
  );
}

test('a base for guests with rules is that without, and hooks behind it', () => {
  for (const more of ['', 'unmanaged = closed\n', 'learn = dhcp\n']) {
    const without = chainsOf(renderBase('base/test', parsePolicy(`[defaults]\n${more}`, 'test')));
    const ruled = parsePolicy(`[defaults]\n${more}rules = web\n[rules web]\nin drop\n`, 'test');
    const chains = chainsOf(renderBase('base/test', ruled));
    for (const [name, lines] of without) {
      assert.deepEqual(chains.get(name), lines, name);
    }
    // What is new is led to from hooks that stand behind: what was dropped never comes there.
    const fresh = [...chains.keys()].filter((name) => !without.has(name));
    assert.ok(
      fresh.every((name) =>
        /^(from|to)-guest\/(drop-rule-flood|rules-(known|(known|open|pass|free|answer|reject|rejected|time)-[a-z0-9-]+))$|^(pre|post)routing-rules$/.test(
          name,
        ),
      ),
      fresh.join(),
    );
    for (const name of ['prerouting-rules', 'postrouting-rules']) {
      assert.match(chains.get(name)?.[0] ?? '', /^type filter hook (pre|post)routing priority -199; policy accept;$/);
    }
    assert.match(chains.get('prerouting')?.[0] ?? '', /priority -200;/);
  }
});

/** What all programs share. */
const LED_TO = /^(from|to)-guest\/(rules-known|rules-(open|pass|free|answer)-ip6?|drop-rule)$/;

test('a program is chains of its own that go nowhere else, and end every frame', () => {
  fc.assert(
    fc.property(ruleLines, fc.boolean(), (lines, turned) => {
      const rules = read(turned ? otherOrder(lines) : lines);
      const own = `rules/${programDigest(rules)}`;
      const commands = programText(rules).filter((line) => !line.startsWith('#'));
      for (const command of commands) {
        assert.match(command, new RegExp(`^(add chain|flush chain|add rule) bridge xen-vif ${own}/(in|out|0)( |$)`));
        for (const [, target = ''] of command.matchAll(/\b(?:goto|jump) ([^\s,}]+)/g)) {
          const answers = command.includes(` ${own}/0 `) ? /^from-guest\/rules-reject-ip6?$/ : LED_TO;
          assert.ok(answers.test(target) || target === `${own}/0`, command);
        }
      }
      for (const direction of ['in', 'out'] as const) {
        const end = commands.findLast((command) => command.startsWith(`add rule bridge xen-vif ${own}/${direction} `));
        assert.match(end ?? '', rules[direction].length === 0 ? / accept$/ : / drop$/);
      }
      // Nothing that not every kernel takes, unless it is asked for; and nowhere but where a guest sends.
      for (const command of commands.filter((one) => / reject( |$)/.test(one)))
        assert.match(command, / rules\/\w+\.1\/0 /);
      assert.equal(
        own.endsWith('.1'),
        rules.out.some(({ verdict }) => verdict === 'reject'),
      );
      assert.ok(!commands.some((command) => command.includes(`${own}/in `) && command.endsWith(`goto ${own}/0`)));
    }),
    { numRuns: 500 },
  );
});

test('a guest with rules has every element that it has without, and one more for each direction', () => {
  fc.assert(
    fc.property(ruleLines, (lines) => {
      const rules = read(lines);
      const port = { device: 'vif1.0', name: 'vif1.0', bridge: 'br0', ifindex: 7, ingress: false };
      const plan = planFor({ ip: '192.0.2.1' });
      const terms = { ...plan.terms, program: programDigest(rules) };
      const text = (of: Parameters<typeof portText>[0]['plan']): string[] =>
        portText({ port, plan: of, loaded: [], hadIngress: false }, undefined).split('\n');
      const without = text(plan);
      const more = text({ ...plan, terms, program: rules }).filter((line) => !without.includes(line));
      assert.deepEqual(
        more.filter((line) => !line.includes(`rules/${terms.program}`) && !line.startsWith('#')),
        [],
      );
      assert.equal(more.filter((line) => line.includes('element')).length, 2);
    }),
    { numRuns: 200 },
  );
});
