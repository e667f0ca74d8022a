import assert from 'node:assert/strict';
import test from 'node:test';
import { compileStages } from '../../src/backends/ebtables/stages.ts';
import { elementsOf } from '../../src/backends/nftables/own.ts';
import { portText } from '../../src/backends/nftables/text.ts';
import { LIMIT_KINDS } from '../../src/filter/frame-limits.ts';
import { buildPlan, type FilterPolicy } from '../../src/filter/plan.ts';
import { isSwitch } from '../../src/filter/stage.ts';
import { STAGES } from '../../src/filter/stages.ts';
import { ALL_LIMITED, vifWith } from './vif.ts';

const LOCKED: FilterPolicy = { mode: 'locked', no_ip: 'mac-only' };
const vif = vifWith({ ip: '192.0.2.10' });

test('a limit only ever drops, for its own reason, and only what a guest sends', () => {
  const steps = STAGES['from-guest'].flatMap((stage) => stage.steps.flatMap((step) => (isSwitch(step) ? [] : [step])));
  const asked = new Set<string>();
  for (const { when, so } of steps) {
    for (const match of when) {
      if (!('over' in match)) continue;
      assert.deepEqual(so, { drop: `limit-${match.over}` });
      assert.equal(when.at(-1), match, 'asked last: to ask is to count');
      asked.add(match.over);
    }
  }
  assert.deepEqual([...asked].sort(), [...LIMIT_KINDS].sort());
  assert.doesNotMatch(JSON.stringify(STAGES['to-guest']), /"over"/);
});

test('who is not filtered, or sends nothing, has no limits', () => {
  const limits = (policy: FilterPolicy, ip?: string): unknown =>
    buildPlan(vifWith(ip === undefined ? {} : { ip }), { ...ALL_LIMITED, ...policy }, []).terms.limits;
  assert.equal(Object.keys(limits(LOCKED) ?? {}).length, LIMIT_KINDS.length);
  assert.equal(Object.keys(limits(LOCKED, '192.0.2.10') ?? {}).length, LIMIT_KINDS.length);
  for (const mode of ['unlocked', 'disabled'] as const) assert.equal(limits({ ...LOCKED, mode }), undefined);
  for (const no_ip of ['deny', 'unrestricted'] as const) assert.equal(limits({ ...LOCKED, no_ip }), undefined);
  assert.deepEqual(buildPlan(vif, { ...LOCKED, limit_arp: 'off' }, []).terms.limits, {});
});

test('nftables: an element for each kind; a changed one is taken out first, an equal one stays', () => {
  const plan = buildPlan(vif, { ...LOCKED, limit_arp: { rate: 5, burst: 20 } }, []);
  assert.deepEqual(elementsOf('7', plan.terms).get('limit-arp'), ['7 limit rate over 5/second burst 20 packets']);
  const port = { device: 'vif1.0', name: 'vif1.0', bridge: 'br0', ifindex: 7, ingress: false };
  const again = (before: FilterPolicy): string[] =>
    portText(
      { port, plan, loaded: [{ ifindex: 7, ...buildPlan(vif, before, []).terms }], hadIngress: false },
      's',
    ).match(/^(add|delete) element bridge xen-vif limit-.*$/gm) ?? [];
  const own = 'limit-arp { 1073741831 limit rate over 5/second burst 20 packets }';
  const other = 'limit-arp { 1073741831 limit rate over 9/second burst 20 packets }';
  const line = (what: string, element: string): string => `${what} element bridge xen-vif ${element}`;
  assert.deepEqual(again({ ...LOCKED, limit_arp: { rate: 5, burst: 20 } }), [line('add', own)]);
  assert.deepEqual(again({ ...LOCKED, limit_arp: { rate: 9, burst: 20 } }), [
    line('add', other),
    line('delete', other),
    line('add', own),
  ]);
  assert.deepEqual(again(LOCKED), [line('add', own)]);
});

test('ebtables: only frames of the kind use up what it may have', () => {
  const { terms } = buildPlan(vif, { ...LOCKED, limit_broadcast: { rate: 5, burst: 20 } }, []);
  const chains = compileStages('vif1.0', 'from-guest', terms, () => true).chains;
  const limited = chains.filter(({ rules }) => rules.some(({ options }) => '--limit' in options));
  assert.deepEqual(
    limited.map(({ policy, rules }) => ({
      policy,
      rules: rules.map(({ options, target, reason }) => ({ options, target, reason })),
    })),
    [
      {
        policy: 'RETURN',
        rules: [
          {
            options: { '-d': 'ff:ff:ff:ff:ff:ff', '--limit': '5/s', '--limit-burst': '20' },
            target: 'RETURN',
            reason: undefined,
          },
          { options: { '-d': 'ff:ff:ff:ff:ff:ff' }, target: 'DROP', reason: 'limit-broadcast' },
        ],
      },
    ],
  );
});
