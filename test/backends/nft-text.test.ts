import assert from 'node:assert/strict';
import test from 'node:test';
import type { PlannedPort } from '../../src/backends/backend.ts';
import { baseDigest, renderBase } from '../../src/backends/nftables/base-text.ts';
import { nftBlock, nftValue } from '../../src/backends/nftables/fields.ts';
import { INDEX_HASH } from '../../src/backends/nftables/index-hash.ts';
import { FLAG_SETS, OWN_NAMES, PORTS_SET } from '../../src/backends/nftables/own.ts';
import { programText } from '../../src/backends/nftables/rule-program.ts';
import { renderMatch } from '../../src/backends/nftables/stages.ts';
import { baseText, leaveText, portText } from '../../src/backends/nftables/text.ts';
import { LIMIT_KINDS } from '../../src/filter/frame-limits.ts';
import type { OwnTerms } from '../../src/filter/own-terms.ts';
import type { NoIp } from '../../src/filter/plan.ts';
import { DIRECTIONS } from '../../src/filter/reasons.ts';
import type { Match } from '../../src/filter/stage.ts';
import { combine, parsePolicyText } from '../../src/policy/parse-policy.ts';
import { program } from '../../src/policy/rule-lists.ts';
import type { IdentityValues } from '../../src/xen/vif-identity.ts';
import { planFor } from '../filter/vif.ts';
import { parsePolicy } from '../policy/effective.ts';

const own = (values: Partial<OwnTerms['values']>): OwnTerms['values'] => ({
  mac: [],
  extra: [],
  ip: [],
  ip6: [],
  sole: [],
  sole6: [],
  route: [],
  route6: [],
  gateway: [],
  gateway4: [],
  gatewayGroups: [],
  solicited: [],
  broadcast: [],
  ethertype: [],
  protocol: [],
  vlan: [],
  ...values,
});
/** Some vif learns: then all is there. */
/** With all that a base can have. */
const ALL = parsePolicy(
  '[defaults]\nunmanaged = closed\nlearn = dhcp\ngateways = 00:00:5e:00:01:01\nallow = proxy-arp proxy-nd lldp vlan:10-20\nrules = web\n[rules web]\nin drop\n',
  'test',
);
const BASE = renderBase('base/test', ALL);
const lines = (text: string): string[] => text.split('\n').map((line) => line.trim());
const names = (kind: string): Set<string> =>
  new Set(lines(BASE).flatMap((line) => new RegExp(`^${kind} (\\S+) \\{`).exec(line)?.[1] ?? []));

function port(values: IdentityValues, noIp: NoIp = 'mac-only', more: Partial<PlannedPort> = {}): PlannedPort {
  return {
    port: { device: 'vif1.0', name: 'vif1.0', bridge: 'br0', ifindex: 7, ingress: false },
    plan: planFor(values, noIp),
    loaded: [],
    hadIngress: false,
    ...more,
  };
}

test('every chain and set that the base names is in it', () => {
  const chains = names('chain');
  for (const [, target] of BASE.matchAll(/\b(?:goto|jump) ([^\s,}]+)/g)) assert.ok(chains.has(target ?? ''), target);
  const sets = new Set([...names('set'), ...names('map')]);
  for (const [, set] of BASE.matchAll(/@([a-z][a-z0-9-]*)(?=[\s}])/g)) assert.ok(sets.has(set ?? ''), set);
  for (const { name } of OWN_NAMES) assert.ok(sets.has(name));
});

// src/scanner.l of nft 1.1.7: what may stand behind `list`, and so in front of a name.
test('nothing is called as a word of nft is', () => {
  const words =
    'tables chains sets maps meters flowtables counters quotas limits secmarks synproxys hooks tunnels ruleset table chain set map meter flowtable counter quota limit secmark synproxy hook tunnel rule element ct';
  for (const kind of ['set', 'map', 'chain'] as const) {
    assert.deepEqual(
      [...names(kind)].filter((name) => words.split(' ').includes(name)),
      [],
    );
  }
});

test('every chain of the base ends in a verdict for every frame, but those that a hook or nothing calls', () => {
  const free = [
    'base/test',
    'prerouting',
    'postrouting',
    'input',
    'output',
    'prerouting-rules',
    'postrouting-rules',
    'from-guest/link-local',
    'to-guest/link-local',
    ...['forward', 'learn', 'learn/address', 'learn/server'],
  ];
  for (const [, name = '', body = ''] of BASE.matchAll(/^ {2}chain (\S+) \{\n([\s\S]*?)^ {2}\}$/gm)) {
    if (free.includes(name) || JUMPED.test(name)) continue;
    const last = lines(body.trim()).at(-1) ?? '';
    const accepts = /\/rules-((open|pass|free)-ip6?|time-\S+)$/.test(name);
    assert.match(last, accepts ? /^accept$/ : /^(goto [\w/-]+|drop comment "[\w-]+")$/, name);
  }
});

// net/netfilter/nf_tables_api.c: nft_chain_validate; NFT_JUMP_STACK_SIZE.
test('no way of a frame is longer than the kernel takes', () => {
  const next = new Map(
    [...BASE.matchAll(/^ {2}chain (\S+) \{\n([\s\S]*?)^ {2}\}$/gm)].map(([, name = '', body = '']) => [
      name,
      [...new Set([...body.matchAll(/\b(?:goto|jump) ([^\s,}]+)/g)].map(([, target = '']) => target))],
    ]),
  );
  const known = new Map<string, number>();
  const depth = (name: string): number => {
    const found = known.get(name) ?? 1 + Math.max(0, ...(next.get(name) ?? []).map(depth));
    known.set(name, found);
    return found;
  };
  for (const hook of ['prerouting', 'postrouting', 'input', 'output'])
    assert.ok(depth(hook) <= 16, `${hook}: ${depth(hook)}`);
});

test('every drop chain drops also where its counter cannot be made', () => {
  const drops = [...BASE.matchAll(/chain (\S+\/drop-\S+) \{\n(.*)\n(?:(.*) @observe accept\n)?(.*)\n {2}\}/g)];
  assert.ok(drops.length > 60);
  for (const [, name = '', count = '', observed = '', drop = ''] of drops) {
    assert.match(count, /^ {4}(add @drops|update @drops-unmanaged) \{ [io]if(group|name) \. 0x[0-9a-f]{8} \}$/, name);
    // Nobody is observed who was never configured.
    const whose = name.endsWith('drop-unmanaged') ? '' : `    ${name.startsWith('from-guest') ? 'iif' : 'oif'}group`;
    assert.equal(observed, whose, name);
    assert.match(drop, /^ {4}drop comment "[a-z0-9-]+"$/, name);
  }
});

test('what is counted of an observed guest is marked for the hooks behind, and nobody else sees the mark', () => {
  const policy = (mode: string): string =>
    renderBase('base/test', parsePolicy(`[rules a]\nin drop\n[defaults]\nrules = a\nnwfilter = b\n${mode}`, 'test'));
  assert.doesNotMatch(policy(''), /mark set|-observed \{/);
  const base = policy('mode = observe\n');
  const marking = [
    ...base.matchAll(/chain (\S+\/drop-\S+) \{\n.*\n {4}\S+ @observe meta mark 0x00000000 meta mark set /g),
  ];
  const all = [...base.matchAll(/chain (\S+\/drop-\S+) \{/g)].map(([, name = '']) => name);
  // To groups of the link there are no hooks behind, and who was never configured is not observed.
  assert.deepEqual(
    all.filter((name) => !marking.some(([, one]) => one === name)),
    ['from-guest/drop-link-local', 'from-guest/drop-unmanaged', 'to-guest/drop-link-local', 'to-guest/drop-unmanaged'],
  );
  const hooks = [...base.matchAll(/chain (\S+) \{\n {4}type filter hook (\S+) priority (-\d+);.*\n((?: {4}.*\n)*)/g)];
  for (const hook of ['prerouting', 'postrouting']) {
    const own = hooks.filter(([, , where]) => where === hook).sort(([, , , a], [, , , b]) => Number(a) - Number(b));
    assert.deepEqual(
      own.map(([, name]) => name),
      [hook, `${hook}-rules`, `${hook}-filters`, `${hook}-observed`],
    );
    const [, rules = '', filters = '', last = ''] = own.map(([, , , , body = '']) => body);
    for (const body of [rules, filters]) assert.match(body, /^ {4}meta mark (0x\w+) accept\n/);
    assert.match(last, /^ {4}meta mark (0x\w+) meta mark set 0x00000000\n$/);
  }
});

test('a value that is compared with an own one has a set of its kind', () => {
  const kinds: Readonly<Record<string, RegExp>> = {
    'own-mac': /^ether [sd]addr$/,
    'own-extra-mac': /^ether saddr$/,
    'own-mac-raw': /^@th,\d+,48$|^@nh,\d+,48$/,
    'own-ip': / ip saddr| ip daddr/,
    'own-ip-raw': /^@[nt]h,\d+,32$/,
    'own-ip-block': /^@[nt]h,\d+,32$/,
    'own-ip6': / ip6 [sd]addr/,
    'own-ip6-raw': /^@th,\d+,128$/,
    'own-ip6-block': /^@[nt]h,\d+,128$/,
    'own-gateway': /^ether [sd]addr$/,
    'own-gateway-ip': /^@nh,192,32$/,
    'own-gateway-groups': /^ip6 daddr$/,
    'own-sole': /^@nh,(96|112),32$/,
    'own-sole6': /^@(nh,64|th,64),128$/,
    'own-route': /^@nh,(96|112|128|192),32$|^@th,192,32$/,
    'own-route6': /^@nh,(64|192),128$|^@th,(64|256),128$/,
    'own-solicited': /^ip6 daddr$/,
    'own-solicited-block': /^@nh,192,128$/,
    'own-broadcast': /^ip daddr$/,
    'own-ethertype': /^ether type$/,
    'own-protocol': /^meta l4proto$/,
    'own-vlan': /^vlan id$/,
    learned: /^@[nti]h,\d+,32$/,
    'learned-before': /^@[nt]h,\d+,32$/,
    'dhcp-servers': /^@nh,96,32$/,
  };
  const seen = new Set<string>();
  for (const [, key = '', set = ''] of BASE.matchAll(
    /[io]ifgroup \. ((?:[@\w,]+(?: [a-z0-9]+)* \. )*[@\w,]+(?: (?!!|vmap)[a-z0-9]+)*) (?:!= |vmap )?@([a-z0-9-]+)/g,
  )) {
    if (/^(flows-|rule-limits|rejected-)/.test(set)) continue;
    assert.match(key, kinds[set] ?? /never/, `${key} in ${set}`);
    seen.add(set);
  }
  // What asks for the port alone.
  const limits = [...LIMIT_KINDS, 'learn'].map((kind) => `limit-${kind}`);
  const alone = [
    PORTS_SET,
    'ruled-in',
    'ruled-out',
    'filtered-in',
    'filtered-out',
    ...FLAG_SETS,
    ...limits,
    'any-dhcp-server',
  ];
  assert.deepEqual(
    [...seen, ...alone].sort(),
    [...OWN_NAMES.map(({ name }) => name), 'learned', 'learned-before'].sort(),
  );
});

const MATCHES: readonly (readonly [match: Match, ...text: string[]])[] = [
  [{ over: 'arp' }, 'iifgroup @limit-arp'],
  [{ field: 'ether saddr', notOwn: 'mac' }, 'iifgroup . ether saddr != @own-mac'],
  [{ field: 'dhcp chaddr', own: 'mac' }, 'iifgroup . @th,288,48 @own-mac-raw'],
  [
    { field: 'dhcp ciaddr', own: 'ip' },
    'iifgroup . @th,160,32 @own-ip-raw',
    'iifgroup . @th,160,32 @own-ip-block',
    'iifgroup @any',
  ],
  [
    { field: 'ip saddr', own: 'ip' },
    'iifgroup . ether saddr . ip saddr @own-ip',
    'iifgroup . @nh,96,32 @own-ip-block',
    'iifgroup @any',
  ],
  [
    { field: 'arp saddr ip', own: 'ip' },
    'iifgroup . @nh,112,32 @own-ip-raw',
    'iifgroup . @nh,112,32 @own-ip-block',
    'iifgroup @any',
  ],
  [
    { field: 'nd target', own: 'ip6' },
    'iifgroup . @th,64,128 @own-ip6-raw',
    'iifgroup . @th,64,128 @own-ip6-block',
    'iifgroup @any',
  ],
  [{ field: 'ip daddr', own: 'broadcast' }, 'iifgroup . ip daddr @own-broadcast'],
  [{ vif: 'managed' }, 'iifgroup @managed'],
  [{ field: 'arp form', isNot: 0x000108000604 }, '@nh,0,48 != 0x000108000604'],
  [{ field: 'ip version-ihl', within: [0x46, 0x4f] }, '@nh,0,8 0x46-0x4f'],
  [{ field: 'arp operation', notWithin: [1, 2] }, '@nh,48,16 != 0x0001-0x0002'],
  [{ field: 'ip daddr', within: ['224.0.0.0', '255.255.255.255'] }, '@nh,128,32 0xe0000000-0xffffffff'],
  [{ field: 'ip frag-off', notMasked: [0x3fff, 0] }, '@nh,48,16 & 0x3fff != 0x0000'],
  [{ field: 'ip saddr', block: '192.0.2.0/24' }, '@nh,96,24 0xc00002'],
  [{ field: 'nd target', is: '2001:db8::1' }, '@th,64,128 0x20010db8000000000000000000000001'],
  [{ field: 'nd target', block: '2001:db8::/64' }, '@th,64,64 0x20010db800000000'],
  [{ field: 'nd target', block: '2001:db8:8000::/33' }, '@th,64,33 0x40021b71'],
];

for (const [match, ...texts] of MATCHES) {
  test(`${JSON.stringify(match)} is written ${texts.join(' or ')}`, () =>
    assert.deepEqual(renderMatch('from-guest', match), texts));
}

test('values are written as wide as their field', () => {
  assert.equal(nftValue('ether type', 0x800), '0x0800');
  assert.equal(nftValue('dhcp giaddr', '0.0.0.0'), '0x00000000');
  assert.equal(nftValue('ip saddr', '192.0.2.1'), '0xc0000201');
  assert.equal(nftBlock('ip6 saddr', 'fe80::/10'), '@nh,64,10 0x3fa');
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

const HOOKS = ['forward', 'prerouting', 'postrouting', 'input', 'output', 'prerouting-rules', 'postrouting-rules'];

/** Chains that are only jumped to: a frame that they do not decide comes back to where another rule stands. */
const JUMPED =
  /\/(\S+\/else|gateways\S*|quick-ip6?(-more)?|rules-known|rules-(known|answer|reject|rejected)-\S+)$|^learn/;

test('no chain gives a frame back but to one that decides: behind it would stand the policy of the hook, which accepts', () => {
  for (const [name, body] of CHAINS) {
    // What learns decides nothing.
    if (name === 'forward' || name.startsWith('learn')) continue;
    assert.doesNotMatch(body, JUMPED.test(name) ? /\bcontinue\b/ : /\b(return|continue)\b/, name);
    for (const [, how, target = ''] of body.matchAll(/\b(goto|jump) ([^\s,}]+)/g)) {
      const back = JUMPED.test(target);
      assert.equal(how === 'jump' || JUMPED.test(name), back || JUMPED.test(name), `${name} to ${target}`);
      // What comes back from such a chain has one way to go.
      if (target.endsWith('/else')) assert.match(body, new RegExp(`^ *jump ${target}\\n *goto \\S+\\n$`, 'm'), name);
    }
  }
  for (const direction of DIRECTIONS) {
    assert.match(lines((CHAINS.get(`${direction}/quick`) ?? '').trim()).at(-1) ?? '', /goto \S+\/start$/);
  }
});

test('there is room for the rules of a guest behind every way to them', () => {
  const depths = new Map<string, number>();
  const visit = (name: string, depth: number): void => {
    if ((depths.get(name) ?? -1) >= depth) return;
    depths.set(name, depth);
    for (const [, target = ''] of (CHAINS.get(name) ?? '').matchAll(/\b(?:goto|jump) ([^\s,}]+)/g))
      visit(target, depth + 1);
  };
  for (const name of HOOKS) visit(name, 0);
  // include/net/netfilter/nf_tables.h: NFT_JUMP_STACK_SIZE; the rules, and what they go to.
  const most = 16 - 1 - 2;
  for (const [name, body] of CHAINS) {
    if (/vmap @/.test(body)) assert.ok((depths.get(name) ?? 0) <= most, `${name} is ${depths.get(name)} deep`);
    assert.ok((depths.get(name) ?? 0) < 16, name);
  }
});

test('a kernel that walks every way through the chains has no more to walk than it can', () => {
  const rulesOf = (name: string): string[] =>
    lines((CHAINS.get(name) ?? '').trim()).filter((line) => !/^(#|$)/.test(line));
  const known = new Map<string, number>();
  const steps = (name: string): number => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const ways = rulesOf(name).flatMap((rule) => [...rule.matchAll(/\b(?:goto|jump) ([^\s,}]+)/g)]);
    const sum = rulesOf(name).length + ways.reduce((all, [, target = '']) => all + steps(target), 0);
    known.set(name, sum);
    return sum;
  };
  // Behind the map of each hook a guest with rules: many of them, in one program of two hundred.
  const many = Array.from({ length: 100 }, (_, at) => `in allow tcp ${at + 1000} from 192.0.2.${at}`);
  const lists = [
    ...many,
    'in drop',
    ...many.map((line) => line.replace('in', 'out').replace('from', 'to')),
    'out drop',
  ];
  const text = parsePolicyText(`[rules many]\n${lists.join('\n')}\n[defaults]\nrules = many\n`, 'test');
  assert.deepEqual(text.problems, []);
  const commands = programText(program(combine([text]).ruleLists, ['many'])).filter((line) =>
    line.startsWith('add rule'),
  );
  assert.ok(commands.length > 200);
  const ways = commands.flatMap((rule) => [...rule.matchAll(/\b(?:goto|jump) ([^\s,}]+)/g)]);
  const ofProgram = commands.length + ways.reduce((all, [, target = '']) => all + steps(target), 0);
  // The kernel walks it for each guest that has it, in both hooks; and for nobody else.
  for (const [name] of CHAINS) {
    if (/@ruled-/.test(CHAINS.get(name) ?? '')) assert.ok(HOOKS.includes(name), name);
  }
  assert.ok(ofProgram < 5_000, `${ofProgram}`);
  // net/netfilter/nf_tables_api.c: nft_chain_validate, kernel 6.1. Measured there in QEMU: 2.8 million take 3 s, and 7
  // million did not end in 8.
  // A routed vif has two more such hooks, so each has its share of all that is walked.
  for (const name of HOOKS) assert.ok(steps(name) < 60_000, `${name}: ${steps(name)}`);
});

test('no place is further on than a kernel takes', () => {
  // nft_payload.c of kernel 6.1: an offset is a byte ("Numerical result out of range").
  for (const [place, bit] of BASE.matchAll(/@(?:ll|nh|th|ih),(\d+),\d+/g)) assert.ok(Number(bit) / 8 <= 255, place);
});

test('the short way takes what is for one station: on a bridge for another one, at a device of its own for this host', () => {
  const ways = (text: string): string[] => [
    ...new Set([...text.matchAll(/meta pkttype (\S+) jump from-guest\/quick-ip6?$/gm)].map(([, type = '']) => type)),
  ];
  assert.deepEqual([ways(BASE), ways(renderBase('base/test', ALL, [], 'device'))], [['other'], ['host']]);
});

test('a map is never asked as a set', () => {
  const maps = [...names('map')];
  assert.deepEqual(maps, ['ruled-in', 'ruled-out', 'filtered-in', 'filtered-out']);
  for (const [, before = ''] of BASE.matchAll(/(\S+) @(?:ruled|filtered)-/g)) assert.equal(before, 'vmap');
});

test('nothing but an own address lets a frame pass the short way', () => {
  const quick = [...CHAINS].filter(([name]) => name.includes('/quick'));
  assert.equal(quick.length, 10);
  assert.ok(quick.filter(([, body]) => / accept$/m.test(body)).length >= 6);
  for (const [name, body] of quick) {
    for (const rule of lines(body).filter((line) => / accept$/.test(line))) {
      assert.match(
        rule,
        /@own-mac [io]ifgroup (\. @nh,\d+,\d+ )?@(any|own-ip6?-block|learned) accept|\. ether [sd]addr \. ip6? [sd]addr @own-ip6? accept/,
        name,
      );
    }
    assert.doesNotMatch(body, /drop/, `${name}: what is dropped, and why, is said by the stages`);
  }
});

test('every chain of the base is reached from a hook, but the sentinel', () => {
  const all = reached(HOOKS, /\b(?:goto|jump) ([^\s,}]+)/g);
  assert.deepEqual(
    [...CHAINS.keys()].filter((name) => !all.has(name)),
    [
      'base/test',
      // The rules of guests lead to these.
      ...[...CHAINS.keys()].filter((name) => /\/(rules-|drop-rule(-flood)?$)/.test(name)),
    ],
  );
});

test('a vif is marked with what it is, and with nothing else', () => {
  const flags = (values: IdentityValues, noIp?: NoIp): string[] =>
    FLAG_SETS.filter((flag) =>
      new RegExp(`add element bridge xen-vif ${flag} \\{ 1073741831( : accept)? \\}`).test(
        portText(port(values, noIp), undefined),
      ),
    );
  assert.deepEqual(flags({ ip: '192.0.2.1' }), ['managed', 'ipv4']);
  assert.deepEqual(flags({ ip: '2001:db8::/64' }), ['managed', 'ipv6']);
  assert.deepEqual(flags({ ip: '192.0.2.0/24' }), ['managed', 'ipv4']);
  assert.deepEqual(flags({}), ['managed', 'ipv4', 'ipv6', 'any']);
  assert.deepEqual(flags({}, 'deny'), ['managed', 'denied']);
  assert.deepEqual(flags({}, 'unrestricted'), ['managed', 'open']);
});

test('what an earlier run loaded and the plan no longer has is deleted, what it still has is not', () => {
  const old = {
    ifindex: 7,
    values: own({ mac: ['00:16:3e:00:00:99'], ip: ['192.0.2.1', '192.0.2.9', '198.51.100.0/28'] }),
    flags: ['managed', 'ipv4', 'ipv6'] as const,
  };
  const text = portText(port({ ip: '192.0.2.1' }, 'deny', { loaded: [old] }), undefined);
  const deleted = lines(text).filter((line) => line.startsWith('delete '));
  assert.deepEqual(deleted, [
    'delete element bridge xen-vif ipv6 { 1073741831 }',
    'delete element bridge xen-vif own-mac { 1073741831 . 00:16:3e:00:00:99 }',
    'delete element bridge xen-vif own-mac-raw { 1073741831 . 0x00163e000099 }',
    'delete element bridge xen-vif own-ip { 1073741831 . 00:16:3e:00:00:99 . 192.0.2.1, 1073741831 . 00:16:3e:00:00:99 . 192.0.2.9 }',
    'delete element bridge xen-vif own-ip-raw { 1073741831 . 0xc0000209 }',
    'delete element bridge xen-vif own-ip-block { 1073741831 . 0xc6336400-0xc633640f }',
  ]);
});

test('a vif of an earlier interface index is taken out of every set under the group of that index', () => {
  const old = {
    ifindex: 5,
    values: own({ mac: ['00:16:3e:00:00:01'], broadcast: ['192.0.2.255'] }),
    flags: ['managed', 'ipv4'] as const,
  };
  const text = portText(port({ ip: '192.0.2.1' }, 'deny', { loaded: [old] }), undefined);
  for (const set of ['managed', 'ipv4']) {
    assert.match(text, new RegExp(`^delete element bridge xen-vif ${set} \\{ 1073741829( : accept)? \\}$`, 'm'));
  }
  assert.match(text, /^delete element bridge xen-vif own-mac \{ 1073741829 \. 00:16:3e:00:00:01 \}$/m);
  assert.match(text, /^delete element bridge xen-vif own-broadcast \{ 1073741829 \. 192\.0\.2\.255 \}$/m);
});

test('every delete has its add before it, so that it cannot fail', () => {
  const old = {
    ifindex: 5,
    values: own({ mac: ['00:16:3e:00:00:01'], ip: ['192.0.2.1'], broadcast: ['192.0.2.255'] }),
    flags: ['managed', 'open'] as const,
  };
  const texts = [
    portText(port({ ip: '192.0.2.1' }, 'deny', { loaded: [old], hadIngress: true }), 's'),
    leaveText({ device: 'vif1.0', loaded: [old], hadIngress: true }, 's'),
  ];
  for (const text of texts) {
    const seen = new Set<string>();
    for (const line of lines(text)) {
      if (!line.startsWith('delete ')) seen.add(line);
      else assert.ok(seen.has(line.replace(/^delete /, 'add ')), line);
    }
  }
});

test('every change names the sentinel first, so that it fails on any other table', () => {
  const command = (text: string): string | undefined => lines(text).find((line) => !line.startsWith('#'));
  const first = 'flush chain bridge xen-vif base/x';
  assert.equal(command(portText(port({}), 'base/x')), first);
  assert.equal(command(leaveText({ device: 'vif1.0', loaded: [], hadIngress: false }, 'base/x')), first);
  assert.equal(
    command(baseText({ sentinel: 'base/x', policy: { unmanaged: 'closed' }, exempt: [], fresh: false })),
    first,
  );
});

test('unmanaged = open changes the fate of ports that no run has configured, and nothing else', () => {
  const closed = BASE.split('\n');
  const open = renderBase('base/test', { ...ALL, unmanaged: 'open' }).split('\n');
  assert.deepEqual(
    open.filter((line) => !closed.includes(line)),
    [],
  );
  const more = closed.filter((line) => !open.includes(line)).map((line) => line.trim());
  assert.deepEqual(more, [
    '# Ports that Xen started with another script.',
    'set exempt { typeof @nh,0,32; }',
    ...(['from-guest', 'to-guest'] as const).flatMap((direction) => [
      '# Not configured (yet): exempt, or closed.',
      `chain ${direction}/unconfigured {`,
      `${INDEX_HASH[direction]} @exempt accept`,
    ]),
    ...['iifname', 'oifname', 'iifname', 'oifname'].map(
      (name) => `${name} "vif*" goto ${name === 'iifname' ? 'from' : 'to'}-guest/unconfigured`,
    ),
  ]);
  assert.notEqual(baseDigest({ unmanaged: 'closed' }), baseDigest({ unmanaged: 'open' }));
});
