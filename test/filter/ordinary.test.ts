/**
 * The short way (src/backends/nftables/quick.ts) accepts ordinary traffic without asking the stages. Here every way is
 * walked on which they could have judged what it accepts; test/kernel/quick.test.ts does the same with frames.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { renderQuick } from '../../src/backends/nftables/quick.ts';
import { endsOf, type Facts, type Family, judgedPorts, ordinaryFacts } from '../../src/filter/ordinary.ts';
import { DIRECTIONS, type Direction } from '../../src/filter/reasons.ts';
import {
  ACCEPT,
  drop,
  go,
  isSwitch,
  type Match,
  PERMITTED,
  type Stage,
  type Step,
  type Switch,
  sameOutcome,
} from '../../src/filter/stage.ts';
import { STAGES } from '../../src/filter/stages.ts';

const FAMILIES = ['ip', 'ip6'] as const satisfies readonly Family[];
/** No stage knows it. */
const NEW_PORT = 40404;

/** What the short way is sure of before it accepts UDP: also that no stage judges the port. */
function udpFacts(direction: Direction, family: Family, ports = judgedPorts(direction, family)): Facts {
  const facts = ordinaryFacts(direction, family, 'udp');
  return { ...facts, never: [...facts.never, ...ports.map((is): Match => ({ field: 'udp dport', is }))] };
}

/** The stages with a step more at the head of one of them. */
function withStep(direction: Direction, name: string, step: Step | Switch): Stage[] {
  return STAGES[direction].map((stage) => (stage.name === name ? { ...stage, steps: [step, ...stage.steps] } : stage));
}

/** The stages with a case more in a stage that switches on the UDP port. */
function withCase(direction: Direction, name: string, one: Switch['cases'][number]): Stage[] {
  return STAGES[direction].map((stage): Stage => {
    if (stage.name !== name) return stage;
    const steps = stage.steps.map((step) =>
      isSwitch(step) && step.switch === 'udp dport' ? { ...step, cases: [...step.cases, one] } : step,
    );
    return { ...stage, steps };
  });
}

function allPermitted(stages: readonly Stage[], facts: Facts): boolean {
  const ends = endsOf(stages, go('start'), facts);
  return ends.length > 0 && ends.every((end) => sameOutcome(end, PERMITTED));
}

/** Ports that the printed rules leave to the stages. */
function portsLeft(direction: Direction, family: Family, stages: readonly Stage[]): number[] {
  const text = renderQuick(direction, stages).join('\n');
  const [, body = ''] = new RegExp(`chain ${direction}/quick-${family} \\{\\n([\\s\\S]*?)\\n {2}\\}`).exec(text) ?? [];
  const rules = body.split('\n').filter((line) => / 0x11 | l4proto 17 /.test(line));
  assert.equal(rules.length, 2, body);
  // A set, or as many comparisons.
  const [first = [], second] = rules.map((rule) =>
    [...rule.matchAll(/@th,16,16 != (?:\{ (.*?) \}|(\S+))/g)].flatMap(([, some, one = '']) =>
      (some ?? one).split(', ').map(Number),
    ),
  );
  assert.deepEqual(first, second);
  return first.sort((a, b) => a - b);
}

for (const direction of DIRECTIONS) {
  for (const family of FAMILIES) {
    const stages = STAGES[direction];
    const what = `${direction}, ${family}`;

    test(`${what}: TCP that the short way accepts is permitted by the stages on every way it can take`, () => {
      assert.ok(allPermitted(stages, ordinaryFacts(direction, family, 'tcp')));
    });

    test(`${what}: UDP that the short way accepts is permitted by the stages on every way it can take`, () => {
      assert.ok(allPermitted(stages, udpFacts(direction, family)));
    });

    test(`${what}: every port that some way judges is left to the stages, in the printed rules`, () => {
      const ports = [...judgedPorts(direction, family)].sort((a, b) => a - b);
      assert.ok(ports.length > 0);
      assert.deepEqual(portsLeft(direction, family, stages), ports);
      // Without this list the walk finds what would have been missed, so it is no walk that sees nothing.
      assert.equal(allPermitted(stages, udpFacts(direction, family, [])), false);
    });

    test(`${what}: a new step that could take an ordinary frame is noticed wherever it stands on the way`, () => {
      const facts = udpFacts(direction, family);
      const onTheWay = stages.filter(({ name }) => !allPermitted(withStep(direction, name, UNKNOWN), facts));
      const last = direction === 'from-guest' || family === 'ip' ? `${family}/own` : family;
      assert.ok(onTheWay.length >= 3 && onTheWay.some(({ name }) => name === last), last);
    });
  }
}

const UNKNOWN: Step = { when: [{ field: 'udp sport', is: NEW_PORT }], so: drop('routing') };

const UDP_STAGES = [
  ['from-guest', 'ip', 'udp'],
  ['from-guest', 'ip6', 'udp6'],
  ['to-guest', 'ip', 'udp'],
  // Only asked about frames to many: left to the stages nonetheless.
  ['to-guest', 'ip', 'udp/group'],
] as const;

for (const [direction, family, name] of UDP_STAGES) {
  test(`${direction}, ${family}: a new port in the stage ${name} is asked by the short way before it accepts`, () => {
    for (const so of [drop('routing'), ACCEPT, go(family === 'ip' ? 'dhcp' : 'ip6/nowhere')]) {
      const changed = withCase(direction, name, { values: [NEW_PORT], so });
      const nowhere: Stage = { name: 'ip6/nowhere', about: '', steps: [], otherwise: drop('routing') };
      assert.ok(portsLeft(direction, family, [...changed, nowhere]).includes(NEW_PORT), JSON.stringify(so));
    }
  });
}

test('a new port that is asked about by a step is left to the stages, too', () => {
  const step: Step = {
    when: [
      { field: 'ip6 nexthdr', is: 17 },
      { field: 'udp dport', is: NEW_PORT },
    ],
    so: drop('routing'),
  };
  for (const direction of DIRECTIONS) {
    const changed = withStep(direction, 'ip6', step);
    assert.ok(portsLeft(direction, 'ip6', changed).includes(NEW_PORT));
    assert.ok(!portsLeft(direction, 'ip', changed).includes(NEW_PORT));
  }
});

test('a port that is judged by where the frame comes from is left to the stages', () => {
  // Of Babel, targeted LDP and GLBP between two stations both ports tell.
  for (const port of [646, 1985, 6696]) {
    assert.ok(judgedPorts('from-guest', 'ip').includes(port));
    assert.ok(judgedPorts('from-guest', 'ip6').includes(port));
  }
});

test('a question about ports that is no list of them is refused', () => {
  const within: Step = { when: [{ field: 'udp dport', within: [6000, 6010] }], so: drop('routing') };
  assert.throws(() => judgedPorts('from-guest', 'ip', withStep('from-guest', 'udp', within)), /udp asks about ports/);
});

/** Where the short way asks what it is said to be sure of. A fact that is not here has no rule. */
const ASKED: Readonly<Record<string, RegExp>> = {
  'ether type is 2048': /@ll,96,24 0x080045 /,
  'ip version-ihl is 69': /@ll,96,24 0x080045 /,
  'ip protocol is 6': /meta l4proto 6 /,
  'ip protocol is 17': /meta l4proto 17 /,
  'ether type is 34525': /@ll,96,24 & 0xfffff0 == 0x86dd60 /,
  'ip6 version is 6': /@ll,96,24 & 0xfffff0 == 0x86dd60 /,
  'ip6 nexthdr is 6': /@nh,48,8 0x06 meta l4proto 6 /,
  'ip6 nexthdr is 17': /@nh,48,8 0x11 /,
  'ip6 upper-layer is 6': /@nh,48,8 0x06 meta l4proto 6 /,
  // The kernel finds the header of UDP only in a packet that is whole.
  'ip6 upper-layer is 17': /@nh,48,8 0x11 @th,16,16 != /,
  'sure udp dport within 0': /@th,16,16 != /,
  'sure ipv4': /@own-ip accept/,
  'sure ipv6': /@own-ip6 accept/,
  'sure ether daddr own mac': /oifgroup \. ether daddr \. ip6? daddr @own-ip6? accept/,
  'never ether saddr notOwn mac': /iifgroup \. ether saddr \. ip6? saddr @own-ip6? accept/,
  'never ether saddr own mac': /oifgroup \. ether saddr @own-mac return/,
  // The kernel says it of what came in; what leaves for a guest bears the MAC of one station.
  'never ether daddr masked 01:00:00:00:00:00':
    /0x080045 meta pkttype other jump[\s\S]*0x86dd60 meta pkttype other jump|oifgroup \. ether daddr \. ip6? daddr @own-ip6? accept/,
  'sure ip daddr within 0.0.0.0': /@nh,128,8 (& 0xe0 == 0xe0|\{.* 0xe0, .* 0xff \}) return/,
  'never ip daddr within 224.0.0.0': /@nh,128,8 (& 0xe0 == 0xe0|\{.* 0xe0, .* 0xff \}) return/,
  'never ip daddr block 0.0.0.0/8': /@nh,128,8 \{ 0x00, /,
  'never ip daddr block 127.0.0.0/8': /@nh,128,8 \{ 0x00, 0x7f, /,
  // Asked of those who may use any address; nobody is given one of these (src/net/ip-prefix.ts: NEVER_OWN).
  'never ip saddr block 0.0.0.0/8': /@nh,96,8 0x00 return[\s\S]* @any accept/,
  'never ip saddr block 127.0.0.0/8': /@nh,96,8 0x7f return[\s\S]* @any accept/,
  'never ip saddr within 224.0.0.0': /@nh,96,8 & 0xe0 == 0xe0 return[\s\S]* @any accept/,
  'never ip6 saddr block ff00::/8': /@nh,64,8 0xff return[\s\S]* @any accept/,
  'never ip6 saddr block ::/96': /@nh,64,32 0x00000000 return/,
  'never ip6 saddr block ::ffff:0:0/96': /@nh,64,32 0x00000000 return/,
  'never ip6 daddr is ::1': /@nh,192,32 0x00000000 return/,
  'never ip daddr masked 0.0.0.3': /@nh,128,32 & 0x00000003 == 0x00000003 return/,
  'never ip frag-off notMasked 16383': /@nh,32,32 & 0x00003fff != 0x00000000 return/,
  'sure ip saddr own ip': /\. ip saddr @own-ip accept/,
  'sure ip daddr own ip': /\. ip daddr @own-ip accept/,
  'never ip saddr own sole': /oifgroup \. @nh,96,32 @own-sole return/,
  'never ip6 saddr own sole6': /oifgroup \. @nh,64,128 @own-sole6 return/,
  'sure udp length within 8': /@th,32,16 & 0xfff8 != 0x0000/,
  'sure ip6 daddr notMasked ff00::': /@nh,192,8 0xff return/,
  'never ip6 daddr block ff00::/8': /@nh,192,8 0xff return/,
  'never ip6 saddr is ::': /@nh,64,32 0x00000000 return/,
  'sure ip6 saddr own ip6': /\. ip6 saddr @own-ip6 accept/,
  'sure ip6 daddr own ip6': /\. ip6 daddr @own-ip6 accept/,
};

test('the short way asks all that it is said to be sure of', () => {
  const seen = new Set<string>();
  for (const direction of DIRECTIONS) {
    const text = renderQuick(direction).join('\n');
    for (const family of FAMILIES) {
      for (const transport of ['tcp', 'udp'] as const) {
        const { values, sure, never } = ordinaryFacts(direction, family, transport);
        for (const fact of [
          ...Object.entries(values).map(([field, value]) => `${field} is ${value}`),
          ...sure.map((match) => `sure ${factText(match)}`),
          ...never.map((match) => `never ${factText(match)}`),
        ]) {
          assert.match(text, ASKED[fact] ?? /no rule is named for it/, `${direction}, ${family}: ${fact}`);
          seen.add(fact);
        }
      }
    }
  }
  assert.deepEqual([...seen].sort(), Object.keys(ASKED).sort());
});

/** The field, the question, and the first part of its value. */
function factText(match: Match): string {
  return Object.values(match)
    .flatMap((value, at) => (at === 0 ? [value] : [Object.keys(match)[1], [value].flat()[0]]))
    .join(' ');
}
