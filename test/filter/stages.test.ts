import assert from 'node:assert/strict';
import test from 'node:test';
import { NFT_FIELDS } from '../../src/backends/nftables/fields.ts';
import {
  ALL_REASONS,
  counterCode,
  DIRECTIONS,
  REASONS,
  type ReasonEntry,
  reasonOfCode,
} from '../../src/filter/reasons.ts';
import { droppedBy, type Field, isSwitch, type Outcome } from '../../src/filter/stage.ts';
import { STAGES } from '../../src/filter/stages.ts';
import { ETHERTYPE } from '../../src/filter/wire.ts';
import { gotos, walk } from './walk.ts';

/** Dropped by the base itself, in the hooks that only see link-local frames. */
const DROPPED_BY_HOOKS = ['link-local', 'rule', 'rule-flood', 'gateway'];

const letsThrough = (outcome: Outcome): boolean => 'accept' in outcome || 'permitted' in outcome;

for (const direction of DIRECTIONS) {
  const stages = STAGES[direction];
  const side = direction === 'from-guest' ? 'what a guest sends' : 'what a guest hears';

  test(`${side}: every stage has a name of its own`, () => {
    assert.equal(new Set(stages.map(({ name }) => name)).size, stages.length);
  });

  test(`${side}: every stage that is named exists`, () => {
    const names = new Set<string>(stages.map(({ name }) => name));
    for (const stage of stages) for (const name of gotos(stage)) assert.ok(names.has(name), `${stage.name} -> ${name}`);
  });

  test(`${side}: every stage is reached`, () => {
    assert.deepEqual([...walk(stages).visited].sort(), stages.map(({ name }) => name).sort());
  });

  test(`${side}: no frame goes in circles`, () => {
    const place = new Map<string, number>(stages.map(({ name }, index) => [name, index]));
    const circle = (name: string, way: readonly string[]): void => {
      assert.ok(!way.includes(name), [...way, name].join(' -> '));
      const stage = stages[place.get(name) ?? -1];
      for (const next of new Set(stage === undefined ? [] : gotos(stage))) circle(next, [...way, name]);
    };
    circle('start', []);
  });

  test(`${side}: no frame leaves a stage undecided`, () => {
    for (const stage of stages) {
      assert.ok('drop' in stage.otherwise || 'goto' in stage.otherwise, `${stage.name} ends in neither drop nor goto`);
    }
  });

  test(`${side}: nothing stands behind a step that takes everything`, () => {
    for (const stage of stages) {
      stage.steps.forEach((step) => {
        if (isSwitch(step) || step.when.length > 0) return;
        assert.fail(`${stage.name}: a step without conditions belongs in otherwise`);
      });
    }
  });

  test(`${side}: no switch decides twice about one value`, () => {
    for (const stage of stages) {
      for (const step of stage.steps.filter(isSwitch)) {
        const values = step.cases.flatMap((one) => [...one.values]);
        assert.equal(new Set(values).size, values.length, `${stage.name}: ${step.switch}`);
      }
    }
  });

  test(`${side}: every reason that is used has its text, and every text is used`, () => {
    const key = direction === 'from-guest' ? 'from' : 'to';
    const used = new Set<string>([...droppedBy(stages), ...DROPPED_BY_HOOKS]);
    const told = ALL_REASONS.filter((reason) => (REASONS[reason] as ReasonEntry)[key] !== undefined);
    assert.deepEqual([...used].sort(), [...told].sort());
  });

  test(`${side}: the ether type is known before a field of IPv4, IPv6, ARP or RARP is looked at`, () => {
    const needed = (field: Field): number | undefined => {
      if (/^(ip6|icmpv6|nd|rs|ra|na|dhcp6) /.test(field)) return ETHERTYPE.ip6;
      if (/^(ip|icmp|igmp|dhcp) /.test(field)) return ETHERTYPE.ip;
      if (/^arp /.test(field)) return ETHERTYPE.arp;
      return /^rarp /.test(field) ? ETHERTYPE.rarp : undefined;
    };
    for (const { stage, field, known } of walk(stages).looks) {
      const etherType = needed(field);
      if (etherType !== undefined) assert.equal(known.etherType, etherType, `${stage}: ${field}`);
      if (field.startsWith('udp ')) assert.ok([ETHERTYPE.ip, ETHERTYPE.ip6].includes((known.etherType ?? 0) as 0x0800));
    }
  });

  test(`${side}: a raw look behind the IP header is only taken where the protocol is known`, () => {
    const needed: readonly (readonly [RegExp, number])[] = [
      [/^(dhcp|dhcp6) /, 17],
      [/^icmp /, 1],
      [/^igmp /, 2],
      [/^(nd|rs|ra|na|icmpv6) /, 58],
    ];
    for (const { stage, field, known } of walk(stages).looks) {
      if (!NFT_FIELDS[field].text.startsWith('@th')) continue;
      const [, protocol] = needed.find(([pattern]) => pattern.test(field)) ?? [];
      assert.notEqual(protocol, undefined, `${field} has no entry here`);
      assert.equal(known.protocol, protocol, `${stage}: ${field}`);
    }
  });

  test(`${side}: the target of neighbour discovery is only looked at in ICMPv6`, () => {
    for (const { stage, field, known } of walk(stages).looks) {
      if (field === 'nd target') assert.deepEqual({ ...known }, { etherType: ETHERTYPE.ip6, protocol: 58 }, stage);
    }
  });

  test(`${side}: a frame is only accepted after it was compared with something of the vif`, () => {
    for (const stage of stages) {
      for (const step of stage.steps) {
        const accepted = isSwitch(step)
          ? step.cases.some(({ so }) => letsThrough(so))
          : letsThrough(step.so) && !step.when.some((match) => 'vif' in match || 'own' in match);
        assert.equal(accepted, false, stage.name);
      }
      assert.equal(letsThrough(stage.otherwise), false, stage.name);
    }
  });

  test(`${side}: an address beside a MAC is only compared where the MAC is known to be the own one, or with it`, () => {
    // The pair is one key in nftables (nftables/own.ts): such a look is one at the MAC too.
    const sides = direction === 'from-guest' ? /saddr|target|ciaddr|giaddr|quoted daddr|arp daddr ip/ : /daddr/;
    for (const stage of stages) {
      for (const step of stage.steps) {
        if (isSwitch(step)) continue;
        for (const match of step.when) {
          if (!('own' in match) || !['ip', 'ip6', 'solicited'].includes(match.own)) continue;
          assert.match(match.field, sides, stage.name);
        }
      }
    }
  });

  test(`${side}: a condition on an own address stands in a step that lets frames go on`, () => {
    // In nftables it becomes alternatives; a step that drops for "none of them" could not be written so.
    for (const stage of stages) {
      for (const step of stage.steps) {
        if (isSwitch(step) || !('drop' in step.so)) continue;
        for (const match of step.when) {
          // One set each.
          assert.ok(!('own' in match) || ['mac', 'sole', 'sole6'].includes(match.own), stage.name);
        }
      }
    }
  });
}

test('every reason has a number of its own that is found again, and both sides are told apart', () => {
  const codes = ALL_REASONS.flatMap((reason) => DIRECTIONS.map((direction) => counterCode(direction, reason)));
  assert.equal(new Set(codes).size, codes.length);
  for (const reason of ALL_REASONS) {
    for (const direction of DIRECTIONS) {
      assert.deepEqual(reasonOfCode(counterCode(direction, reason)), { direction, reason });
    }
  }
  for (const code of [0, 18, 99, 0x100, 0x199, 0x200, -1, Number.NaN]) assert.equal(reasonOfCode(code), undefined);
});

test('the texts of the reasons complete a sentence', () => {
  for (const reason of ALL_REASONS) {
    const { from, to }: ReasonEntry = REASONS[reason];
    assert.match(reason, /^[a-z0-9-]+$/);
    for (const text of [from, to])
      if (text !== undefined) assert.match(text, /^[^A-Z.][^\n]*[^.]$|^IP|^ARP|^RARP|^STP/, reason);
  }
});
