import assert from 'node:assert/strict';
import test from 'node:test';
import { baseParts, renderBase } from '../../src/backends/nftables/base-text.ts';
import { baseText, deviceBaseDigest } from '../../src/backends/nftables/text.ts';
import { baseDigests, SHARED_DIGESTS } from '../../src/build/source.ts';
import { BACKEND_NAMES, isSharedKey, KEY_NAMES, KEYS, type KeyName, type Values } from '../../src/policy/keys.ts';
import { DEFAULT_POLICY } from '../../src/policy/policy.ts';
import { type SharedPolicy, sharedName } from '../../src/policy/shared-rules.ts';
import { textDigest } from '../../src/text-digest.ts';
import { parsePolicy } from './effective.ts';

const BUILT = baseDigests();

/** The default policy with another value of one key; for a list, the empty one. */
function otherThanDefault<K extends KeyName>(key: K): SharedPolicy[] {
  const { kind, initial } = KEYS[key];
  const read = ['192.0.2.1', 'none', '7/s', '2026-12-31', '7h', '7', '/7', 'off'].flatMap((text) => {
    const one = kind.read(text);
    return 'value' in one ? [one.value] : [];
  });
  const others: readonly Values[K][] = kind.all ?? read.slice(0, 2);
  return others.filter((value) => value !== initial).map((value) => ({ ...DEFAULT_POLICY, [key]: value }));
}

for (const backend of BACKEND_NAMES) {
  const digest = SHARED_DIGESTS[backend];
  const name = (policy: SharedPolicy): string => sharedName(backend, policy);

  test(`${backend}: a changed key changes the shared rules, their digest and their name, or none of these`, () => {
    for (const key of KEY_NAMES) {
      const others = otherThanDefault(key);
      assert.notEqual(others.length, 0, `${key} has no other value`);
      for (const other of others) {
        const shared = isSharedKey(key, backend);
        assert.equal(digest(other) !== digest(DEFAULT_POLICY), shared, key);
        assert.equal(name(other) !== name(DEFAULT_POLICY), shared, key);
      }
    }
  });

  test(`${backend}: what the build knows of a policy is its digest`, () => {
    const known = KEY_NAMES.flatMap(otherThanDefault).filter((policy) => name(policy) in BUILT);
    for (const policy of [DEFAULT_POLICY, ...known]) assert.equal(BUILT[name(policy)], digest(policy));
    assert.ok(known.some((policy) => policy.unmanaged === 'closed'));
  });
}

/** Of ports on no bridge who is unknown is left alone. */
function named(word: string, more: string): string {
  const [unmanaged, ...place] = word.split(' ');
  return [`nftables learn_timeout=1d unmanaged=${unmanaged}${more}`, ...place].join(' ');
}

test('the build knows every policy of nftables', () => {
  assert.deepEqual(
    Object.keys(BUILT)
      .filter((name) => name.startsWith('nftables'))
      .toSorted(),
    [
      '',
      ' filters',
      ' rules',
      ' rules filters',
      ' learning',
      ' learning filters',
      ' learning rules',
      ' learning rules filters',
    ]
      .flatMap((more) => [more, `${more} gateways`])
      .flatMap((more) => [more, `${more} observed`])
      .flatMap((more) => ['open', 'closed', 'open device'].map((word) => named(word, more)))
      .toSorted(),
  );
});

test('what the build knows of policies in which some vif asks for something is their digest', () => {
  const digests = new Set(
    Object.entries(BUILT).flatMap(([name, digest]) => (/^nftables .*(?<! device)$/.test(name) ? [digest] : [])),
  );
  assert.equal(digests.size, 64);
  for (const lines of [
    'rules = web',
    'learn = dhcp',
    'nwfilter = clean-traffic',
    'gateways = 192.0.2.1 00:00:5e:00:01:01',
    'rules = web\nlearn = dhcp\nunmanaged = closed',
    'mode = observe\nrules = web',
  ]) {
    const policy = parsePolicy(`[rules web]\nin drop\n[defaults]\n${lines}\n`, 'test');
    const name = sharedName('nftables', policy, baseParts(policy));
    assert.equal(BUILT[name], textDigest(renderBase('', policy)), name);
    // A run for a routed vif would print all of the base, only to know its name.
    const open = { ...policy, unmanaged: 'open' as const };
    const routed = sharedName('nftables', open, [...baseParts(policy), 'device']);
    assert.equal(BUILT[routed], deviceBaseDigest(open), routed);
    const text = baseText({ sentinel: '', policy: open, exempt: [], fresh: true, place: 'device' });
    assert.equal(BUILT[routed], textDigest(text), routed);
  }
});

test('a word that few have is in the rules of all vifs only where the policy gives it to somebody', () => {
  const base = (line: string): string => renderBase('', parsePolicy(`[guest web1]\n${line}\n`, 'test'));
  const none = base('allow = vrrp');
  assert.doesNotMatch(none, /@(proxy-arp|proxy-nd|lldp)|gateways/);
  for (const word of ['proxy-arp', 'proxy-nd', 'lldp']) {
    const text = base(`allow = ${word}`);
    assert.match(text, new RegExp(`@${word}\\b`));
    // Nothing that is asked without it is gone.
    const lines = new Set(text.split('\n'));
    assert.ok(none.split('\n').every((line) => lines.has(line) || line.includes('goto from-guest/drop-link-local')));
    const policy = parsePolicy(`[guest web1]\nallow = ${word}\n`, 'test');
    assert.deepEqual(baseParts(policy), [word]);
  }
  const vlan = base('allow = vlan:10-20');
  assert.match(vlan, /vlan id @own-vlan @ll,128,16 0x0800 goto from-guest\/ip\b/);
  assert.doesNotMatch(none, /@own-vlan/);
  assert.match(base('gateways = 00:00:5e:00:01:01'), /@gated jump from-guest\/gateways/);
});
