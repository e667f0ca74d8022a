import assert from 'node:assert/strict';
import test from 'node:test';
import {
  chainsOf as chainsOfPlan,
  closedChainsOf,
  limitsOfPlan,
  rulesDigest,
} from '../../src/backends/ebtables/chains.ts';
import { EBT_FIELDS, type EbtField, type NoMatch, optionText } from '../../src/backends/ebtables/fields.ts';
import { acceptsGaps, possibleGaps, reasonSupport, shortfallsOf } from '../../src/backends/ebtables/gaps.ts';
import {
  chainDrops,
  countJumps,
  countsOf,
  isAsLoaded,
  parseListing,
  vifChains,
} from '../../src/backends/ebtables/listing.ts';
import { both } from '../../src/backends/ebtables/match.ts';
import { compileStages, type EbtChain } from '../../src/backends/ebtables/stages.ts';
import { EBT_HOOKS, renderLoad } from '../../src/backends/ebtables/text.ts';
import { buildPlan, type NoIp } from '../../src/filter/plan.ts';
import { ALL_REASONS, DEFAULT_GAPS, DIRECTIONS, POSSIBLE_GAPS } from '../../src/filter/reasons.ts';
import { isSwitch, type Match, sameTest } from '../../src/filter/stage.ts';
import { STAGES } from '../../src/filter/stages.ts';
import { parseInterfaceName } from '../../src/net/interface-name.ts';
import type { ChainProgram } from '../../src/rules/chain-program.ts';
import { parseIdentity } from '../../src/xen/vif-identity.ts';
import { createNamespace, namespaceObstacle } from '../lab/namespace.ts';

const IPS = '192.0.2.10 198.51.100.0/24 2001:db8::10';

function planOf(name: string, ip: string, noIp: NoIp = 'mac-only') {
  const device = parseInterfaceName(name, 'test');
  const vif = parseIdentity({ device, type: 'vif' }, { mac: '00:16:3e:00:00:01', ip }, 'test');
  return buildPlan(vif, { mode: 'locked', no_ip: noIp }, ['192.0.2.255']);
}

function chainsOf(name: string, ip: string, gaps: readonly string[], noIp: NoIp = 'mac-only'): EbtChain[] {
  const { terms, device } = planOf(name, ip, noIp);
  return DIRECTIONS.flatMap((direction) => compileStages(device, direction, terms, acceptsGaps(gaps)).chains);
}

const lines = (chain: EbtChain | undefined): string[] =>
  (chain?.rules ?? []).map((rule) => [...optionText(rule.options), `-j ${rule.target}`].join(' '));

test('every stage has a short name of its own', () => {
  for (const direction of DIRECTIONS) {
    const names = STAGES[direction].map((stage) => stage.short ?? stage.name);
    for (const name of names) assert.match(name, /^[a-z0-9-]{1,7}$/);
    assert.equal(new Set(names).size, names.length);
  }
});

test('what ebtables says in words of its own is asked by some stage', () => {
  const asked = DIRECTIONS.flatMap((direction) => STAGES[direction])
    .flatMap((stage) => [...stage.steps])
    .flatMap((step): readonly Match[] =>
      isSwitch(step)
        ? step.cases.flatMap((one) => one.values.map((is): Match => ({ field: step.switch, is })))
        : step.when,
    );
  for (const [field, { special }] of Object.entries<EbtField | NoMatch>(EBT_FIELDS)) {
    for (const { of } of special ?? []) {
      const same = asked.some((match) => 'field' in match && match.field === field && sameTest(of, match));
      assert.ok(same, `${field}: no stage asks this`);
    }
  }
});

test('no chain name is longer than ebtables-nft takes, or belongs to two vifs', () => {
  const devices = ['vif32751.99-emu', 'vif1.0', 'vif1.0-in', 'vif1.0-out', 'xen-vif'];
  const names = devices.flatMap((device) => chainsOf(device, IPS, ALL_REASONS).map((chain) => chain.name));
  for (const name of [...names, ...Object.values(EBT_HOOKS).map((hook) => hook.chain)])
    assert.ok(name.length <= 28, name);
  assert.equal(new Set(names).size, names.length);
  for (const hook of Object.values(EBT_HOOKS)) assert.ok(!names.includes(hook.chain));
});

// 2.0.11 of the legacy variant shifts 32 bits by 32 for /0, which makes it /32 on x86: found on a real kernel table.
test('a mask of zero is never written as /0', () => {
  const text = chainsOf('vif1.0', IPS, ALL_REASONS).flatMap(lines);
  assert.ok(text.some((line) => line.includes(' 0.0.0.0/0.0.0.0 ')));
  assert.deepEqual(
    text.filter((line) => /\.\d+\/0 /.test(line)),
    [],
  );
});

test('every chain decides about every frame, but for checks, which give it back', () => {
  for (const gaps of [[], DEFAULT_GAPS, ALL_REASONS]) {
    for (const chain of chainsOf('vif1.0', IPS, gaps)) {
      const last = chain.rules[chain.rules.length - 1];
      const ends = last !== undefined && Object.keys(last.options).length === 0 && last.check !== true;
      assert.ok(ends || chain.policy === 'RETURN', chain.name);
      assert.equal(
        chain.policy === 'RETURN',
        chain.rules.some((rule) => rule.target === 'RETURN'),
        chain.name,
      );
    }
  }
});

test('every chain that is jumped to is there, and every chain is jumped to', () => {
  for (const gaps of [[], DEFAULT_GAPS, ALL_REASONS]) {
    const chains = chainsOf('vif1.0', IPS, gaps);
    const names = new Set(chains.map((chain) => chain.name));
    const targets = chains.flatMap((chain) => chain.rules.map((rule) => rule.target));
    const jumped = new Set(targets.filter((target) => !['ACCEPT', 'DROP', 'RETURN'].includes(target)));
    assert.deepEqual([...jumped].sort(), [...names].filter((name) => name.includes('/')).sort());
  }
});

test('a chain reads like one that a person wrote', () => {
  const chains = chainsOf('vif1.0', '192.0.2.10', DEFAULT_GAPS);
  const named = (name: string) => lines(chains.find((chain) => chain.name === name));
  assert.deepEqual(named('vif1.0-in'), [
    '-s ! 00:16:3e:00:00:01 -j DROP',
    '-p IPv4 -j vif1.0-in/ip',
    '-p IPv6 -j DROP',
    '-p ARP -j vif1.0-in/arp',
    '-p RARP -j vif1.0-in/rarp',
    '-p 0x88a8 -j DROP',
    '-p 802_1Q -j DROP',
    '-p LENGTH -j DROP',
    '-j DROP',
  ]);
  assert.deepEqual(named('vif1.0-in/arp'), [
    '-j vif1.0-in/arp2',
    '-j vif1.0-in/arp3',
    '-p ARP --arp-mac-src ! 00:16:3e:00:00:01 -j DROP',
    '-j vif1.0-in/arp4',
    '-p ARP --arp-opcode 1 --arp-ip-src 0.0.0.0 --arp-ip-dst 192.0.2.10 -j ACCEPT',
    '-p ARP --arp-ip-src 0.0.0.0 -j DROP',
    '-p ARP --arp-ip-src 0.0.0.0/8 -j DROP',
    '-p ARP --arp-ip-src 127.0.0.0/8 -j DROP',
    '-p ARP --arp-ip-src 224.0.0.0/3 -j DROP',
    '-p ARP --arp-ip-src 192.0.2.10 -j vif1.0-in/arp-all',
    '-j DROP',
  ]);
  assert.deepEqual(named('vif1.0-in/arp3'), [
    '-p ARP --arp-opcode 1 -j RETURN',
    '-p ARP --arp-opcode 2 -j RETURN',
    '-j DROP',
  ]);
});

test('the gaps that work by default are possible, and what a policy may name is what would open something', () => {
  for (const gap of DEFAULT_GAPS) assert.ok(possibleGaps().includes(gap), gap);
  assert.deepEqual(POSSIBLE_GAPS, possibleGaps());
});

test("a filter of libvirt's is an error; of a guest that runs it is closed, and what cannot be seen is said", () => {
  const policy = { unmanaged: 'open', ebtables_gaps: DEFAULT_GAPS } as const;
  const plan = planOf('vif1.0', IPS);
  const filter: ChainProgram = {
    name: 'clean-traffic',
    start: { in: undefined, out: undefined },
    chains: [],
    listing: [],
    notes: [],
  };
  const filtered = { ...plan, filter };
  assert.throws(() => chainsOfPlan(filtered, policy), { code: 'input', message: /nwfilter = clean-traffic/ });
  assert.deepEqual(limitsOfPlan(filtered, policy), limitsOfPlan(plan, policy));
  for (const [direction, { chains }] of Object.entries(closedChainsOf(filtered, policy))) {
    const own = chains.find((chain) => chain.name.endsWith('/rules'));
    assert.equal(lines(own).at(-1), '-j DROP', direction);
    assert.ok(!chains.some((chain) => chain !== own && lines(chain).includes('-j ACCEPT')), direction);
  }
});

test('without a gap nothing is accepted, and with all gaps nothing is closed', () => {
  assert.deepEqual(
    shortfallsOf([]).filter((one) => one.handling === 'accepted'),
    [],
  );
  assert.deepEqual(
    shortfallsOf(possibleGaps()).filter((one) => one.handling === 'closed'),
    [],
  );
});

test('nothing is accepted but what the policy names', () => {
  for (const gap of possibleGaps()) {
    const named: readonly string[] = [...DEFAULT_GAPS, gap];
    const accepted = shortfallsOf(named).filter((one) => one.handling === 'accepted');
    for (const one of accepted)
      for (const reason of one.reasons) assert.ok(named.includes(reason), `${gap}: ${reason}`);
  }
});

test('the table of reasons names each once, and says of what it can see that it is stopped', () => {
  const support = new Map(reasonSupport().map((row) => [row.reason, row.ebtables.join(' ')]));
  assert.deepEqual([...support.keys()], ALL_REASONS);
  for (const reason of [
    'mac-src',
    'arp-spa',
    'ip-src',
    'vlan',
    'dhcp-server',
    'icmp-redirect',
    'link-local',
  ] as const) {
    assert.equal(support.get(reason), 'yes', reason);
  }
  for (const reason of ['dhcp-form', 'nd-target', 'ip6-src'] as const)
    assert.equal(support.get(reason), 'closed', reason);
  assert.equal(support.get('ip-opt'), 'partly');
});

test('the digest changes with the policy', () => {
  const digests = [
    { unmanaged: 'closed', ebtables_gaps: DEFAULT_GAPS },
    { unmanaged: 'open', ebtables_gaps: DEFAULT_GAPS },
    { unmanaged: 'closed', ebtables_gaps: [] },
  ] as const;
  assert.equal(new Set(digests.map((policy) => rulesDigest(policy))).size, 3);
});

const LISTING = `Bridge table: nat

Bridge chain: PREROUTING, entries: 2, policy: ACCEPT
-j xen-vif/in , pcnt = 7 -- bcnt = 490
-i eth9 -j other-in , pcnt = 0 -- bcnt = 0

Bridge chain: other-in, entries: 0, policy: RETURN

Bridge chain: xen-vif/in-ports, entries: 2, policy: DROP
-i vif1.0 -j vif1.0-in , pcnt = 7 -- bcnt = 490
-j DROP , pcnt = 0 -- bcnt = 0

Bridge chain: vif1.0-in, entries: 2, policy: DROP
-s ! 00:16:3e:00:00:01 -j DROP , pcnt = 3 -- bcnt = 210
-j vif1.0-in/ip , pcnt = 4 -- bcnt = 280

Bridge chain: vif1.0-in/ip, entries: 1, policy: DROP
-j DROP , pcnt = 4 -- bcnt = 280
`;

/** ebtables-nft writes a negation behind its option up to 1.8.9 (Debian 12), before it from 1.8.10 on (Debian 13). */
const SPELT: Readonly<Record<string, string>> = {
  '1.8.9': LISTING,
  '1.8.11': LISTING.replace('-s ! 00', '! -s 00'),
};
for (const [version, text] of Object.entries(SPELT))
  test(`a listing of ${version} is read: jumps, chains of vifs, and drops by reason`, () => {
    const listing = parseListing(text);
    assert.equal(countJumps(listing, EBT_HOOKS.in), 1);
    assert.deepEqual(vifChains(listing), ['vif1.0-in', 'vif1.0-in/ip']);
    const chain = (name: string, rules: EbtChain['rules']): EbtChain => ({ name, policy: 'DROP', about: '', rules });
    const chains = [
      chain('vif1.0-in', [
        { options: {}, target: 'DROP', reason: 'mac-src' },
        { options: {}, target: 'vif1.0-in/ip' },
      ]),
      chain('vif1.0-in/ip', [{ options: {}, target: 'DROP', reason: 'ip-src' }]),
    ];
    const port = { chains: chains.map(({ name }) => name), counts: countsOf(chains, 'from-guest') };
    assert.equal(isAsLoaded(listing, port), true);
    const more = { chains: [...port.chains, 'vif1.0-in/gone'], counts: [...port.counts, '4'] };
    assert.equal(isAsLoaded(listing, more), false);
    assert.deepEqual(chainDrops(listing, more), [
      { direction: 'from-guest', reason: 'mac-src', packets: 3, bytes: 210 },
      { direction: 'from-guest', reason: 'ip-src', packets: 4, bytes: 280 },
    ]);
  });

test('a chain that has not the rules it should have counts for nothing', () => {
  assert.deepEqual(chainDrops(parseListing(LISTING), { chains: ['vif1.0-in'], counts: ['4'] }), []);
});

const skip = namespaceObstacle() ?? false;
for (const variant of ['nft', 'legacy'] as const) {
  for (const [what, gaps, noIp, ip] of [
    ['all there is', POSSIBLE_GAPS, 'mac-only', IPS],
    ['nothing accepted', [], 'mac-only', IPS],
    ['any address', DEFAULT_GAPS, 'mac-only', ''],
    ['no address', DEFAULT_GAPS, 'deny', ''],
    ['unrestricted', DEFAULT_GAPS, 'unrestricted', ''],
  ] as const) {
    test(`ebtables-restore takes the text for ${variant}, twice: ${what}`, { skip }, async (t) => {
      const ns = await createNamespace('ebtables text');
      t.after(() => ns.remove());
      const policy = { unmanaged: 'closed', ebtables_gaps: gaps } as const;
      const plan = planOf('vif1.0', ip, noIp);
      const chains = Object.values(chainsOfPlan(plan, policy)).flatMap((one) => one.chains);
      const port = {
        device: 'vif1.0',
        name: 'web0',
        open: noIp === 'unrestricted',
        chains: [],
        macs: plan.terms.values.mac,
      };
      const listings: string[] = [];
      for (const jumps of [0, 1]) {
        const load = {
          ports: [port],
          exempt: ['vif9.0'],
          neighbours: ['up0'],
          policy,
          chains,
          stale: [],
          jumps: () => jumps,
        } as const;
        await ns.check(['ebtables-nft-restore', '--noflush'], { input: renderLoad(load, variant) });
        listings.push(await ns.check(['ebtables-nft', '-t', 'nat', '-L']), await ns.check(['ebtables-nft', '-L']));
      }
      assert.deepEqual(listings.slice(2), listings.slice(0, 2));
      assert.match(listings[0] ?? '', /^-i web0 -j vif1\.0-in$/m);
      for (const chain of chains) {
        assert.equal(parseListing(listings[0] ?? '').get(chain.name)?.length, chain.rules.length, chain.name);
      }
    });
  }
}

const BOTH: readonly (readonly [a: string, b: string, together: string | undefined])[] = [
  ['10.0.0.255', '0.0.0.3/0.0.0.3', '10.0.0.255'],
  ['0.0.0.3/0.0.0.3', '10.0.0.255', '10.0.0.255'],
  ['10.0.0.254', '0.0.0.3/0.0.0.3', undefined],
  ['10.0.0.0/8', '0.0.0.3/0.0.0.3', '10.0.0.3/255.0.0.3'],
  ['10.0.0.0/8', '10.1.0.0/16', '10.1.0.0/16'],
  ['10.0.0.0/8', '11.0.0.0/8', undefined],
  ['0.0.0.0/0', '11.0.0.0/8', '11.0.0.0/8'],
  ['ff:ff:ff:ff:ff:ff', '01:00:00:00:00:00/01:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff'],
  ['00:16:3e:00:00:01', '01:00:00:00:00:00/01:00:00:00:00:00', undefined],
];

for (const [a, b, together] of BOTH) {
  test(`${a} and ${b} in one rule are ${together ?? 'never'}`, () => {
    assert.equal(both({ '-d': a }, { '-d': b })?.['-d'], together);
  });
}

test('what one rule cannot say is a bug, not another rule', () => {
  assert.throws(() => both({ '-d': '! ff:ff:ff:ff:ff:ff' }, { '-d': '01:00:00:00:00:00/01:00:00:00:00:00' }), {
    code: 'internal',
  });
  assert.throws(() => both({ '--ip-icmp-type': '8' }, { '--ip-icmp-type': '0' }), { code: 'internal' });
});
