import assert from 'node:assert/strict';
import test from 'node:test';
import { DEFAULT_POLICY, DEFAULT_VIF_POLICY, type Section } from '../../src/policy/policy.ts';
import { resolvePolicy } from '../../src/policy/resolve-policy.ts';
import { vifWith } from '../filter/vif.ts';

const VIF = vifWith({ ip: '192.0.2.10' });
const resolved = (...sections: Section[]) => resolvePolicy({ ...DEFAULT_POLICY, sections }, VIF);

test('a vif of which no section says anything has the defaults', () => {
  assert.deepEqual(resolved(), DEFAULT_VIF_POLICY);
  assert.deepEqual(resolved({ kind: 'defaults', settings: {} }), DEFAULT_VIF_POLICY);
});

test('what a section says holds, the rest stays as it is', () => {
  const { no_ip } = resolved({ kind: 'defaults', settings: { no_ip: 'deny' } }, { kind: 'defaults', settings: {} });
  assert.equal(no_ip, 'deny');
});

test('no resolved policy changes the one it was made of', () => {
  const before = JSON.stringify(DEFAULT_VIF_POLICY);
  resolved({ kind: 'defaults', settings: { no_ip: 'unrestricted' } });
  assert.equal(JSON.stringify(DEFAULT_VIF_POLICY), before);
});
