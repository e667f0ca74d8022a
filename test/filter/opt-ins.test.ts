/** What no word of `allow` ever opens: a foreign source MAC, and ARP or neighbour discovery for others. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { EVERY_OPT_IN, OPT_IN_FLAGS, OPT_INS, type OptIn } from '../../src/filter/opt-ins.ts';
import { endsOf, type Facts } from '../../src/filter/ordinary.ts';
import { buildPlan } from '../../src/filter/plan.ts';
import { DIRECTIONS } from '../../src/filter/reasons.ts';
import { go, type Match, type Outcome } from '../../src/filter/stage.ts';
import { STAGES } from '../../src/filter/stages.ts';
import { vifWith } from './vif.ts';

const drops = (ends: readonly Outcome[]): boolean => ends.length > 0 && ends.every((end) => 'drop' in end);
const facts = (sure: readonly Match[], never: readonly Match[]): Facts => ({ values: {}, sure, never });

test('with a foreign source MAC every way ends in a drop, whatever the vif may do besides', () => {
  // Which flags it has is left open: every way is walked.
  const ends = endsOf(
    STAGES['from-guest'],
    go('start'),
    facts([{ field: 'ether saddr', notOwn: 'mac' }], [{ vif: 'open' }]),
  );
  assert.ok(drops(ends));
});

test('ARP in the name of another MAC or address ends in a drop, whatever the vif may do besides', () => {
  const arp = (sure: readonly Match[], never: readonly Match[]): boolean =>
    drops(endsOf(STAGES['from-guest'], go('arp'), facts(sure, never)));
  assert.ok(arp([{ field: 'arp saddr ether', notOwn: 'mac' }], []));
  assert.ok(
    arp(
      [],
      [
        { field: 'arp saddr ip', own: 'ip' },
        { field: 'arp daddr ip', own: 'ip' },
        // What it routes for is another one's for all but who may answer for it.
        { vif: 'proxy-arp' },
      ],
    ),
  );
  assert.ok(
    arp(
      [],
      [
        { field: 'arp saddr ip', own: 'ip' },
        { field: 'arp daddr ip', own: 'ip' },
        { field: 'arp saddr ip', own: 'route' },
      ],
    ),
  );
});

test('an advertisement of another address ends in a drop, whatever the vif may do besides', () => {
  const others: readonly Match[] = [{ vif: 'proxy-nd' }, { field: 'nd target', own: 'route6' }];
  for (const other of others)
    assert.ok(drops(endsOf(STAGES['from-guest'], go('na'), facts([], [{ field: 'nd target', own: 'ip6' }, other]))));
});

test('what a vif is told to be without `allow` it stays with it: its MAC, its addresses, its families', () => {
  const flags = fc.subarray([...OPT_IN_FLAGS]);
  const vif = vifWith({ ip: '192.0.2.1 2001:db8::1' });
  const policy = { mode: 'locked', no_ip: 'deny' } as const;
  const { terms: plain } = buildPlan(vif, policy, []);
  fc.assert(
    fc.property(fc.array(flags, { maxLength: 3 }), (all) => {
      const allow = [...all.map((some): OptIn => ({ text: 'some', flags: some })), ...EVERY_OPT_IN];
      const { terms } = buildPlan(vif, { ...policy, allow }, []);
      const { ethertype: _types, protocol: _protocols, vlan: _vlans, ...values } = terms.values;
      const { ethertype: _noTypes, protocol: _noProtocols, vlan: _noVlans, ...before } = plain.values;
      assert.deepEqual(values, before);
      assert.deepEqual(
        terms.flags.filter((flag) => !OPT_IN_FLAGS.some((one) => one === flag)),
        plain.flags,
      );
    }),
  );
});

test('a vif that may do nothing, or anything, is given none of it', () => {
  for (const no_ip of ['deny', 'unrestricted'] as const) {
    const plan = buildPlan(vifWith({}), { mode: 'locked', no_ip, allow: EVERY_OPT_IN }, []);
    assert.deepEqual(
      [plan.allow, plan.terms.flags.filter((flag) => OPT_IN_FLAGS.some((one) => one === flag))],
      [[], []],
    );
  }
});

test('who has no word takes none of the ways that ask for one', () => {
  const never = OPT_IN_FLAGS.map((vif): Match => ({ vif }));
  for (const direction of DIRECTIONS) {
    for (const stage of STAGES[direction]) {
      const asks = stage.steps.some(
        (step) =>
          !('switch' in step) &&
          step.when.some((one) => never.some((flag) => 'vif' in one && 'vif' in flag && one.vif === flag.vif)),
      );
      const only = asks && stage.steps.every((step) => !('switch' in step) && step.when.some((one) => 'vif' in one));
      if (only)
        assert.ok(drops(endsOf(STAGES[direction], go(stage.name), facts([], never))), `${direction} ${stage.name}`);
    }
  }
  assert.ok(OPT_INS.length > 10);
});
