import assert from 'node:assert/strict';
import test from 'node:test';
import type { PlannedPort } from '../../src/backends/backend.ts';
import { baseDigest, FLAG_SETS, renderBase } from '../../src/backends/nft-base.ts';
import { NFT_FIELDS, nftBlock, nftValue } from '../../src/backends/nft-fields.ts';
import { LIST_MAP, OWN_SET, renderMatch } from '../../src/backends/nft-stages.ts';
import { NFTABLES } from '../../src/backends/nftables.ts';
import type { NoIp } from '../../src/filter/plan.ts';
import type { Match } from '../../src/filter/stage.ts';
import type { IdentityValues } from '../../src/xen/vif-identity.ts';
import { planFor } from '../filter/vif.ts';
import { DIRECTIONS, isSwitch, STAGES } from '../filter/walk.ts';

const BASE = renderBase('base/test', 'closed');
const lines = (text: string): string[] => text.split('\n').map((line) => line.trim());
const names = (kind: string): Set<string> =>
  new Set(lines(BASE).flatMap((line) => new RegExp(`^${kind} (\\S+) \\{`).exec(line)?.[1] ?? []));

function port(values: IdentityValues, noIp: NoIp = 'mac-only', more: Partial<PlannedPort> = {}): PlannedPort {
  return {
    port: { device: 'vif1.0', name: 'vif1.0', ifindex: 7, ingress: false },
    plan: planFor(values, noIp),
    loaded: [],
    hadIngress: false,
    ...more,
  };
}

test('every chain, set and map that the base names is in it', () => {
  const chains = names('chain');
  for (const [, target] of BASE.matchAll(/\b(?:goto|jump) ([^\s,}]+)/g)) assert.ok(chains.has(target ?? ''), target);
  const sets = new Set([...names('set'), ...names('map')]);
  for (const [, set] of BASE.matchAll(/@([a-z][a-z0-9-]*)(?=[\s}])/g)) assert.ok(sets.has(set ?? ''), set);
  for (const set of [...FLAG_SETS, ...Object.values(OWN_SET), ...Object.values(LIST_MAP)]) assert.ok(sets.has(set));
});

test('every chain of the base ends in a verdict for every frame, but those that a hook or nothing calls', () => {
  const free = [
    'base/test',
    'prerouting',
    'postrouting',
    'input',
    'output',
    'from-guest/link-local',
    'to-guest/link-local',
  ];
  for (const [, name = '', body = ''] of BASE.matchAll(/^ {2}chain (\S+) \{\n([\s\S]*?)^ {2}\}$/gm)) {
    if (free.includes(name)) continue;
    const last = lines(body.trim()).at(-1) ?? '';
    assert.match(last, /^(goto [\w/-]+|return|drop comment "[\w-]+")$/, name);
  }
});

test('every drop chain drops also where its counter cannot be made', () => {
  const drops = [...BASE.matchAll(/chain (\S+\/drop-\S+) \{\n(.*)\n(.*)\n/g)];
  assert.ok(drops.length > 60);
  for (const [, name, count = '', drop = ''] of drops) {
    assert.match(count, /^ {4}add @drops \{ [io]if \. 0x[0-9a-f]{8} \}$/, name);
    assert.match(drop, /^ {4}drop comment "[a-z0-9-]+"$/, name);
  }
});

test('a value that is compared with an own one has a set of its kind', () => {
  for (const direction of DIRECTIONS) {
    const matches = STAGES[direction].flatMap((stage) =>
      stage.steps.flatMap((step) => (isSwitch(step) ? [] : step.when)),
    );
    for (const match of matches) {
      const own = 'own' in match ? match.own : 'notOwn' in match ? match.notOwn : undefined;
      if (own === undefined || !('field' in match)) continue;
      const field = NFT_FIELDS[match.field];
      const set = /@([a-z-]+)$/.exec(renderMatch(direction, match))?.[1];
      const kind: Record<string, boolean> = {
        [OWN_SET.typed]: field.value === 'plain' && / ?ether/.test(field.text),
        [OWN_SET.raw]: field.bits === 48,
        [OWN_SET['dhcp-address']]: field.bits === 32,
        [OWN_SET.broadcast]: field.text === 'ip daddr',
      };
      assert.equal(kind[set ?? ''], true, `${match.field} in ${set}`);
    }
  }
});

const MATCHES: readonly (readonly [match: Match, text: string])[] = [
  [{ field: 'ether saddr', notOwn: 'mac' }, 'iif . ether saddr != @own-mac'],
  [{ field: 'dhcp chaddr', own: 'mac' }, 'iif . @th,288,48 @own-mac-raw'],
  [{ field: 'dhcp ciaddr', own: 'dhcp-address' }, 'iif . @th,160,32 @own-dhcp-address'],
  [{ field: 'ip daddr', own: 'broadcast' }, 'iif . ip daddr @own-broadcast'],
  [{ vif: 'managed' }, 'iif @managed'],
  [{ field: 'arp form', isNot: 0x000108000604 }, '@nh,0,48 != 0x000108000604'],
  [{ field: 'ip version-ihl', within: [0x46, 0x4f] }, '@nh,0,8 0x46-0x4f'],
  [{ field: 'arp operation', notWithin: [1, 2] }, 'arp operation != 1-2'],
  [{ field: 'ip daddr', within: [0xe0000000, 0xffffffff] }, 'ip daddr 224.0.0.0-255.255.255.255'],
  [{ field: 'ip frag-off', notMasked: [0x3fff, 0] }, '@nh,48,16 & 0x3fff != 0x0000'],
  [{ field: 'ip saddr', block: '192.0.2.0/24' }, 'ip saddr 192.0.2.0/24'],
  [{ field: 'nd target', block: '2001:db8::1' }, '@th,64,128 0x20010db8000000000000000000000001'],
  [{ field: 'nd target', block: '2001:db8::/64' }, '@th,64,64 0x20010db800000000'],
  [{ field: 'nd target', block: '2001:db8:8000::/33' }, '@th,64,33 0x40021b71'],
];

for (const [match, text] of MATCHES) {
  test(`${JSON.stringify(match)} is written ${text}`, () => assert.equal(renderMatch('from-guest', match), text));
}

test('values are written as wide as their field', () => {
  assert.equal(nftValue('ether type', 0x800), '0x0800');
  assert.equal(nftValue('dhcp giaddr', 0), '0x00000000');
  assert.equal(nftValue('ip saddr', 0xc0000201), '192.0.2.1');
  assert.equal(nftBlock('ip6 saddr', 'fe80::/10'), 'ip6 saddr fe80::/10');
});

test('every rule of an own list asks for the outer ether type first', () => {
  const text = NFTABLES.renderPort(port({ ip: '192.0.2.1 198.51.100.0/24 2001:db8::1 2001:db8:1::/64' }), undefined);
  const rules = lines(text).flatMap((line) => {
    const [, list, rule] = /^add rule bridge xen-vif vif1\.0-(\w+) (.*)$/.exec(line) ?? [];
    return list === undefined || rule === undefined ? [] : [{ list, rule }];
  });
  assert.ok(rules.length > 10);
  for (const { list, rule } of rules) {
    if (list === 'nd') assert.match(rule, /^(@th,64,\d+ 0x[0-9a-f]+ return|goto from-guest\/drop-nd-target)$/);
    else assert.match(rule, /^ether type (ip|ip6|arp) .* accept$/);
  }
  assert.equal(rules.filter(({ list }) => list === 'nd').at(-1)?.rule, 'goto from-guest/drop-nd-target');
});

/** The chains of the base with their rules. */
const CHAINS = new Map(
  [...BASE.matchAll(/^ {2}chain (\S+) \{\n([\s\S]*?)^ {2}\}$/gm)].map(([, name = '', body = '']) => [name, body]),
);

function reached(from: readonly string[], by: RegExp): Set<string> {
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const [, target = ''] of (CHAINS.get(name) ?? '').matchAll(by)) visit(target);
  };
  for (const name of from) visit(name);
  return seen;
}

const HOOKS = ['prerouting', 'postrouting', 'input', 'output'];

test('a chain that returns is only reached through a jump, behind which the own list is asked', () => {
  // Without a jump on the way a return would lead to the policy of the hook, which accepts.
  for (const name of reached(HOOKS, /\bgoto ([^\s,}]+)/g)) {
    const body = CHAINS.get(name) ?? '';
    assert.doesNotMatch(body, /\breturn\b/, name);
    // The list of own ND targets returns too.
    assert.doesNotMatch(body, /@list-nd/, name);
  }
  for (const [name, body] of CHAINS) {
    if (!/\bjump /.test(body)) continue;
    const rules = lines(body).filter((line) => line !== '' && !line.startsWith('#'));
    assert.match(rules[0] ?? '', /^jump \S+\/form$/, name);
    assert.match(rules[1] ?? '', /^iif vmap @list-in$/, name);
    assert.match(rules[2] ?? '', /^goto from-guest\/drop-ip6?-src$/, name);
    assert.equal(rules.length, 3, name);
  }
});

test('every chain of the base is reached from a hook, but the sentinel', () => {
  const all = reached(HOOKS, /\b(?:goto|jump) ([^\s,}]+)/g);
  assert.deepEqual(
    [...CHAINS.keys()].filter((name) => !all.has(name)),
    ['base/test'],
  );
});

test('a vif is marked with what it is, and with nothing else', () => {
  const flags = (values: IdentityValues, noIp?: NoIp): string[] =>
    FLAG_SETS.filter((flag) =>
      NFTABLES.renderPort(port(values, noIp), undefined).includes(`add element bridge xen-vif ${flag} { 7 }`),
    );
  assert.deepEqual(flags({ ip: '192.0.2.1' }), ['managed', 'ipv4']);
  assert.deepEqual(flags({ ip: '2001:db8::/64' }), ['managed', 'ipv6']);
  assert.deepEqual(flags({ ip: '192.0.2.0/24' }), ['managed', 'ipv4', 'blocks']);
  assert.deepEqual(flags({}), ['managed', 'ipv4', 'ipv6', 'blocks']);
  assert.deepEqual(flags({}, 'deny'), ['managed', 'denied']);
  assert.deepEqual(flags({}, 'unrestricted'), ['managed', 'open']);
});

test('what an earlier run loaded and the plan no longer has is deleted, what it still has is not', () => {
  const old = {
    ifindex: 7,
    values: { mac: ['00:16:3e:00:00:99'], 'dhcp-address': ['192.0.2.1', '192.0.2.9'], broadcast: [] },
    flags: ['managed', 'ipv4', 'ipv6'] as const,
  };
  const text = NFTABLES.renderPort(port({ ip: '192.0.2.1' }, 'deny', { loaded: [old] }), undefined);
  const deleted = lines(text).filter((line) => line.startsWith('delete '));
  assert.deepEqual(deleted, [
    'delete element bridge xen-vif ipv6 { 7 }',
    'delete element bridge xen-vif own-mac { 7 . 00:16:3e:00:00:99 }',
    'delete element bridge xen-vif own-mac-raw { 7 . 0x00163e000099 }',
    'delete element bridge xen-vif own-dhcp-address { 7 . 0xc0000209 }',
  ]);
});

test('a vif of an earlier interface index is taken out of every map and set under that index', () => {
  const old = {
    ifindex: 5,
    values: { mac: ['00:16:3e:00:00:01'], 'dhcp-address': [], broadcast: ['192.0.2.255'] },
    flags: ['managed', 'ipv4'] as const,
  };
  const text = NFTABLES.renderPort(port({ ip: '192.0.2.1' }, 'deny', { loaded: [old] }), undefined);
  for (const set of ['managed', 'ipv4', 'list-in', 'list-nd', 'list-out']) {
    assert.match(text, new RegExp(`^delete element bridge xen-vif ${set} \\{ 5 \\}$`, 'm'));
  }
  assert.match(text, /^delete element bridge xen-vif own-mac \{ 5 \. 00:16:3e:00:00:01 \}$/m);
  assert.match(text, /^delete element bridge xen-vif own-broadcast \{ 5 \. 192\.0\.2\.255 \}$/m);
});

test('every delete has its add before it, so that it cannot fail', () => {
  const old = {
    ifindex: 5,
    values: { mac: ['00:16:3e:00:00:01'], 'dhcp-address': ['192.0.2.1'], broadcast: ['192.0.2.255'] },
    flags: ['managed', 'open'] as const,
  };
  const texts = [
    NFTABLES.renderPort(port({ ip: '192.0.2.1' }, 'deny', { loaded: [old], hadIngress: true }), 's'),
    NFTABLES.renderLeave({ device: 'vif1.0', loaded: [old], hadIngress: true }, 's'),
  ];
  for (const text of texts) {
    const seen = new Set<string>();
    for (const line of lines(text)) {
      if (!line.startsWith('delete ')) seen.add(line.replace(/ : (jump|goto) \S+/, ''));
      else assert.ok(seen.has(line.replace(/^delete /, 'add ')), line);
    }
  }
});

test('every change names the sentinel first, so that it fails on any other table', () => {
  const command = (text: string): string | undefined => lines(text).find((line) => !line.startsWith('#'));
  const first = 'flush chain bridge xen-vif base/x';
  assert.equal(command(NFTABLES.renderPort(port({}), 'base/x')), first);
  assert.equal(command(NFTABLES.renderLeave({ device: 'vif1.0', loaded: [], hadIngress: false }, 'base/x')), first);
  assert.equal(
    command(NFTABLES.renderBase({ sentinel: 'base/x', unmanaged: 'closed', exempt: [], fresh: false })),
    first,
  );
});

test('unmanaged = open changes the fate of ports that no run has configured, and nothing else', () => {
  const closed = BASE.split('\n');
  const open = renderBase('base/test', 'open').split('\n');
  const changed = closed.flatMap((line, index) =>
    line === open[index] ? [] : [`${line.trim()} -> ${open[index]?.trim()}`],
  );
  assert.equal(closed.length, open.length);
  assert.deepEqual(changed, ['goto from-guest/drop-unmanaged -> accept', 'goto to-guest/drop-unmanaged -> accept']);
  assert.notEqual(baseDigest('closed'), baseDigest('open'));
});
