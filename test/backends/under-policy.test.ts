/** What a policy that has changed makes of a vif that runs, before a run has looked whether that can be. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { underPolicy } from '../../src/backends/base.ts';
import type { VifRecord } from '../../src/state/records.ts';
import { parsePolicy } from '../policy/effective.ts';
import { vifRecord } from '../state/vif-record.ts';

function recordIn(vlan: readonly string[]): VifRecord {
  const none = underPolicy(hostWith(''), { ...RECORD, loaded: [] }).plan.terms;
  return { ...RECORD, loaded: [{ ifindex: 7, ...none, values: { ...none.values, vlan } }] };
}

const RECORD = vifRecord({ values: { mac: '00:16:3e:00:00:01', ip: '192.0.2.10' } });

function hostWith(lines: string): Parameters<typeof underPolicy>[0] {
  return {
    policy: parsePolicy(`[mac 00:16:3e:00:00:01]\n${lines}`, 'policy.ini'),
    now: () => '2026-01-01T00:00:00.000Z',
  };
}

for (const [allowed, loaded, holds] of [
  ['allow = vlan:10-20', [], []],
  ['allow = vlan:10-20', ['10-20'], ['10-20']],
  ['allow = vlan:10-30', ['10-20'], ['10-20']],
  ['allow = vlan:15 vlan:18-25', ['10-20'], ['15', '18-20']],
  ['allow = vlan:30', ['10-20'], []],
  ['', ['10-20'], []],
  ['mode = unlocked\nallow = vlan:10-20', [], []],
] as const) {
  test(`of VLANs only those are taken in that a run has checked: ${allowed} after ${loaded.join() || 'none'}`, () => {
    const { plan } = underPolicy(hostWith(`${allowed}\n`), recordIn(loaded));
    assert.deepEqual(plan.terms.values.vlan, holds);
    const words = allowed.startsWith('allow') ? allowed.replace('allow = ', '') : '';
    assert.equal(plan.allow.join(' '), words, 'what is not taken in is told by it');
  });
}
