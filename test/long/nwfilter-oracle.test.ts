/**
 * libvirt's own commands for ebtables and iptables, as its tests expect them, in one network namespace, and our program
 * of the same filter in another: the same frames through both, and the same of them must arrive.
 *
 * The inputs accept, and libvirt's end is "it passes": so that it matters what they accept, both sides get a drop of
 * all else at the end. Our whitelist is taken out of the way (its hooks are emptied): it would drop most of these
 * frames.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { chainProgramText } from '../../src/backends/nftables/chain-program.ts';
import { baseText } from '../../src/backends/nftables/text.ts';
import { Failure } from '../../src/errors.ts';
import { parseFilter } from '../../src/nwfilter/document.ts';
import { filterProgram } from '../../src/nwfilter/program.ts';
import { variablesOf } from '../../src/policy/filter-source.ts';
import { combine, parsePolicyText } from '../../src/policy/parse-policy.ts';
import { type ChainProgram, chainDigest, type FrameField, type FrameTest } from '../../src/rules/chain-program.ts';
import { checksum } from '../kernel/frames.ts';
import { libvirtTests } from '../lab/libvirt-source.ts';
import { createNamespace, type Namespace, namespaceObstacle } from '../lab/namespace.ts';
import { openWire, type Wire } from '../lab/wire.ts';

/** Filters that we refuse, and libvirt has no error for. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  conntrack: /connlimit-above needs conntrack/,
  ipset: /an ipset of the host/,
  target: /reject of what comes to the guest/,
  target2: /reject of what comes to the guest/,
};

/** What differs on purpose, or because it can: whatever is said here, and nothing else. */
const DIFFERENT: Readonly<Record<string, RegExp>> = {
  // conntrack looks behind an authentication header, and knows conversations of UDP there; here all of AH between two
  // stations is one, as it is with IPv4.
  'ah-ipv6': /^ours passes gw0 in accept out ah-ipv6 /,
};

/** Of nothing but frames that never come so far: STP, and those with a VLAN tag. */
const UNHEARD = ['stp', 'vlan'];

/** Values of libvirt's test (tests/nwfilterxml2firewalltest.c). */
const VARIABLES = new Map([
  ['A', ['1.1.1.1', '2.2.2.2', '3.3.3.3', '3.3.3.3']],
  ['B', ['80', '90', '80', '80']],
  ['C', ['1080', '1090', '1100', '1110']],
  ['IPSETNAME', ['tck_test']],
  ['MAC', ['00:11:22:33:44:55']],
]);
const GUEST = { mac: '00:11:22:33:44:55', ip: [], ip6: [], learns: false };
/** The station of these inputs has the bit of groups, with which a bridge takes no frame. */
const usable = (text: string): string =>
  text.replaceAll('1:2:3:4:5:6', '2:2:3:4:5:6').replaceAll('01:02:03:04:05:06', '02:02:03:04:05:06');

const END4 = "<rule action='drop' direction='inout' priority='1000'><all/></rule>";
const END6 = "<rule action='drop' direction='inout' priority='1000'><all-ipv6/></rule>";
const END2 = "<rule action='drop' direction='inout' priority='1000'/>";

type Values = Partial<Record<FrameField, bigint>> & { readonly gratuitous?: boolean };
interface Shot {
  readonly from: 'guest0' | 'gw0';
  readonly hex: string;
  readonly what: string;
}

/** A value that a test takes, and one beside it. */
function valuesOf(tests: readonly FrameTest[]): { hit: Values; misses: Values[] } {
  const hit: Record<string, bigint> = {};
  const beside: [string, bigint][] = [];
  for (const one of tests.flatMap((test) => ('anyOf' in test ? (test.anyOf[0] ?? []) : [test]))) {
    if ('within' in one) {
      const [first, last] = one.within;
      const out = first > 0n ? first - 1n : last + 1n;
      hit[one.field] = one.not ? out : first;
      beside.push([one.field, one.not ? first : out], [one.field, one.not ? last : last + 1n]);
    } else if ('masked' in one) {
      hit[one.field] = BigInt(one.masked[1]);
      beside.push([one.field, BigInt(one.masked[1] ^ (one.masked[0] & -one.masked[0]))]);
    } else if ('own' in one) hit[one.field] = 0x001122334455n;
  }
  return { hit, misses: beside.map(([field, value]) => ({ ...hit, [field]: value })) };
}

const hex = (value: bigint | number, bytes: number): string =>
  (BigInt(value) & ((1n << BigInt(8 * bytes)) - 1n)).toString(16).padStart(2 * bytes, '0');
const sum = (text: string): string => hex(checksum(Buffer.from(text, 'hex')), 2);

function frameOf(values: Values, from: Shot['from'], family: 4 | 6 | undefined): string {
  const get = (field: FrameField, otherwise: bigint): bigint => values[field] ?? otherwise;
  const [own, other] = [0x001122334455n, 0x020000000001n];
  const type = get('ether type', family === 6 ? 0x86ddn : 0x0800n);
  const head =
    hex(get('ether daddr', from === 'guest0' ? other : own), 6) +
    hex(get('ether saddr', from === 'guest0' ? own : other), 6) +
    hex(type, 2);
  if (type === 0x0806n || type === 0x8035n) {
    const sender = get('arp saddr ip', 0x0a000001n);
    return (
      head +
      hex(get('arp htype', 1n), 2) +
      hex(get('arp ptype', 0x0800n), 2) +
      '0604' +
      hex(get('arp operation', 1n), 2) +
      hex(get('arp saddr ether', own), 6) +
      hex(sender, 4) +
      hex(get('arp daddr ether', other), 6) +
      hex(get('arp daddr ip', sender), 4) +
      '00'.repeat(18)
    );
  }
  const protocol = get('l4proto', get('ip protocol', 17n));
  const payload = payloadOf(Number(protocol), values);
  const length = payload.length / 2;
  if (type === 0x86ddn) {
    const word = (6n << 28n) | (get('ip6 dscp', 0n) << 22n);
    const ends =
      hex(get('ip6 saddr', 0x20010db8000000000000000000000001n), 16) +
      hex(get('ip6 daddr', 0x20010db8000000000000000000000002n), 16);
    return `${head}${hex(word, 4)}${hex(length, 2)}${hex(protocol, 1)}40${ends}${payload}`;
  }
  if (type !== 0x0800n) return head + '00'.repeat(46);
  const tos = values['ip tos'] ?? get('ip dscp', 0n) << 2n;
  const before = `45${hex(tos, 1)}${hex(length + 20, 2)}0001000040${hex(protocol, 1)}`;
  const ends = hex(get('ip saddr', 0x0a090909n), 4) + hex(get('ip daddr', 0x0a080808n), 4);
  return head + before + sum(`${before}0000${ends}`) + ends + payload;
}

function payloadOf(protocol: number, values: Values): string {
  const ports = hex(values.sport ?? 4000n, 2) + hex(values.dport ?? 5000n, 2);
  switch (protocol) {
    case 6:
      return `${ports}0000000100000000${'50'}${hex(values['tcp flags'] ?? 2n, 1)}1000${'00'.repeat(4)}`;
    case 132:
      return `${ports}0000000000000000${'01000014'}00000001${'0000ffff'}00010001${'00000001'}`;
    case 136:
      // Without a checksum it is none (RFC 3828 §3.1), and no conversation for conntrack.
      return `${ports}0010${'0001'}${'00'.repeat(8)}`;
    case 17:
      return `${ports}0010${'0000'}${'00'.repeat(8)}`;
    case 1: {
      const [type, code] = [hex(values['icmp type'] ?? 8n, 1), hex(values['icmp code'] ?? 0n, 1)];
      const body = `${type}${code}0000${'00010001'}${'00'.repeat(16)}`;
      return `${type}${code}${sum(body)}${'00010001'}${'00'.repeat(16)}`;
    }
    case 58:
      return `${hex(values['icmp type'] ?? 128n, 1)}${hex(values['icmp code'] ?? 0n, 1)}0000${'00010001'}${'00'.repeat(16)}`;
    case 51:
      // 24 bytes (RFC 4302 §2), and UDP behind them.
      return `11040000${'00000001'}${'00000001'}${'00'.repeat(12)}${payloadOf(17, {})}`;
    default:
      return '00'.repeat(24);
  }
}

/** For each rule: what it takes, each field beside it, from both sides. */
function shotsOf(program: ChainProgram): Shot[] {
  const shots = program.chains.flatMap(({ about, rules, direction }) =>
    rules.flatMap(({ when, so, origin }) => {
      if (typeof so === 'object' && !('goto' in so) && !('jump' in so)) return [];
      if (origin === undefined) return [];
      const family = about.startsWith('IPv6') ? 6 : about.startsWith('IPv4') ? 4 : undefined;
      const { hit, misses } = valuesOf(when);
      const sides = direction === 'out' ? (['guest0', 'gw0'] as const) : (['gw0', 'guest0'] as const);
      return [hit, ...misses].flatMap((values) =>
        sides.map((from): Shot => ({ from, hex: frameOf(values, from, family), what: `${direction} ${origin.text}` })),
      );
    }),
  );
  return [...new Map(shots.map((one) => [`${one.from} ${one.hex}`, one])).values()];
}

async function network(name: string, netfilter: boolean): Promise<Namespace> {
  const ns = await createNamespace(name);
  const lines = [
    'link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
    'link add vnet0 type veth peer name guest0',
    'link add up0 type veth peer name gw0',
    ...['vnet0', 'up0'].map((port) => `link set ${port} master br0`),
    ...['vnet0', 'up0', 'guest0', 'gw0', 'br0'].map((one) => `link set ${one} addrgenmode none up`),
    'link set vnet0 group 1073741831',
  ];
  for (const key of ['iptables', 'ip6tables', 'arptables']) {
    await ns.run(['sysctl', '-qw', `net.bridge.bridge-nf-call-${key}=${netfilter && key !== 'arptables' ? 1 : 0}`]);
  }
  if (netfilter) await ns.run(['sysctl', '-qw', 'net.netfilter.nf_conntrack_checksum=0']);
  await ns.check(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  await ns.check(['bridge', '-batch', '-'], {
    input: 'link set dev vnet0 learning off\nlink set dev up0 learning off\n',
  });
  for (const port of ['vnet0', 'up0']) {
    for (let at = 0; at < 200; at += 1) {
      if ((await ns.check(['bridge', 'link', 'show', 'dev', port])).includes('state forwarding')) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  return ns;
}

/** What libvirt's driver does around the commands of its test data, with the names of the chains that it gives them. */
async function loadTheirs(ns: Namespace, args: string): Promise<void> {
  const commands = args
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) =>
      (line.match(/'[^']*'(?:\\''[^']*')*|\S+/g) ?? []).map((word) =>
        word.replaceAll("'\\''", "'").replace(/^'([\s\S]*)'$/, '$1'),
      ),
    )
    .filter(([name]) => name !== undefined && name !== '');
  const both = ['iptables', 'ip6tables'];
  const around: string[][] = [
    ...['J', 'P'].map((chain) => ['ebtables', '-t', 'nat', '-N', `libvirt-${chain}-vnet0`]),
    ...both.flatMap((tool) => [
      ...['libvirt-in', 'libvirt-out', 'libvirt-in-post', 'FJ-vnet0', 'FP-vnet0', 'HJ-vnet0'].map((one) => [
        tool,
        '-N',
        one,
      ]),
      ...['libvirt-in', 'libvirt-out', 'libvirt-in-post'].map((one) => [tool, '-A', 'FORWARD', '-j', one]),
      [tool, '-A', 'libvirt-out', '-m', 'physdev', '--physdev-is-bridged', '--physdev-out', 'vnet0', '-g', 'FP-vnet0'],
      [tool, '-A', 'libvirt-in', '-m', 'physdev', '--physdev-in', 'vnet0', '-g', 'FJ-vnet0'],
      [tool, '-A', 'libvirt-in-post', '-m', 'physdev', '--physdev-in', 'vnet0', '-j', 'ACCEPT'],
    ]),
  ];
  const made = new Set<string>();
  const ends: string[][] = [];
  const has = (tool: string): boolean => commands.some(([name]) => name === tool);
  if (has('ebtables'))
    for (const chain of ['J', 'P']) ends.push(['ebtables', '-t', 'nat', '-A', `libvirt-${chain}-vnet0`, '-j', 'DROP']);
  for (const tool of both)
    if (has(tool)) for (const chain of ['FJ', 'FP']) ends.push([tool, '-A', `${chain}-vnet0`, '-j', 'DROP']);
  const links = [
    ['ebtables', '-t', 'nat', '-A', 'PREROUTING', '-i', 'vnet0', '-j', 'libvirt-J-vnet0'],
    ['ebtables', '-t', 'nat', '-A', 'POSTROUTING', '-o', 'vnet0', '-j', 'libvirt-P-vnet0'],
  ];
  for (const [tool = '', ...rest] of [...around, ...commands, ...ends, ...(has('ebtables') ? links : [])]) {
    const options = rest.filter((one) => one !== '--concurrent' && one !== '-w');
    const at = options.indexOf('-N');
    if (at >= 0 && made.has(`${tool} ${options[at + 1]}`)) continue;
    if (at >= 0) made.add(`${tool} ${options[at + 1]}`);
    const result = await ns.run([`${tool}-nft`, ...options]);
    // They empty and remove what may be left of earlier chains.
    if (result.status !== 0 && !/^-[FX]$/.test(options.find((one) => /^-[A-Z]$/.test(one)) ?? ''))
      throw new Error(`${tool} ${options.join(' ')}: ${result.stderr}`);
  }
}

const POLICY = combine([parsePolicyText('[defaults]\nnwfilter = f\n', 'f')]);

async function loadOurs(ns: Namespace, program: ChainProgram): Promise<void> {
  const text = [
    baseText({ sentinel: 'base/oracle', policy: POLICY, exempt: [], fresh: true }),
    ...['prerouting', 'postrouting'].map((hook) => `flush chain bridge xen-vif ${hook}`),
    ...chainProgramText(program),
    `add element bridge xen-vif own-mac { 1073741831 . 00:11:22:33:44:55 }`,
    ...['in', 'out'].map(
      (way) => `add element bridge xen-vif filtered-${way} { 1073741831 : goto rules/${chainDigest(program)}/${way} }`,
    ),
    '',
  ].join('\n');
  await ns.check(['nft', '-f', '-'], { input: text });
}

async function arrives(wire: Wire, { from, hex: what }: Shot): Promise<boolean> {
  const to = from === 'guest0' ? 'gw0' : 'guest0';
  await wire.collect(0);
  await wire.send(from, what);
  return (await wire.collect(3)).some((seen) => seen.iface === to && seen.hex === what);
}

const missing = ['ebtables-nft', 'iptables-nft', 'ip6tables-nft'].find(
  (tool) => spawnSync(tool, ['-V']).error !== undefined,
);
const obstacle =
  namespaceObstacle() ??
  (missing === undefined ? undefined : `needs ${missing}`) ??
  (existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables') ? undefined : 'needs br_netfilter');
const source = obstacle ?? (await libvirtTests());

if (typeof source === 'string') test("libvirt's commands and our programs", { skip: source }, () => {});
else {
  const folder = join(source.tests, 'nwfilterxml2firewalldata');
  const names = readdirSync(folder).flatMap((file) => /^(.*)-linux\.args$/.exec(file)?.[1] ?? []);
  test('all 39 inputs are there', () => assert.equal(names.length, 39));
  for (const name of names) {
    for (const reversed of [false, true]) {
      test(`${name}${reversed ? ', the other way round' : ''}`, async (t) => {
        const xml = usable(readFileSync(join(folder, `${name}.xml`), 'utf8'));
        const args = usable(readFileSync(join(folder, `${name}-linux.args`), 'utf8'));
        // Only of what they have rules at all.
        const ends = [
          /^iptables /m.test(args) ? END4 : '',
          /^ip6tables /m.test(args) ? END6 : '',
          /^ebtables /m.test(args) ? END2 : '',
        ];
        const ended = xml.replace('</filter>', `${ends.join('')}</filter>`);
        const read = parseFilter(ended, `${name}.xml`);
        assert.ok('filter' in read);
        let program: ChainProgram;
        try {
          program = filterProgram('f', () => read.filter, variablesOf(VARIABLES, GUEST));
        } catch (error) {
          assert.ok(error instanceof Failure);
          assert.match(error.message, REFUSED[name] ?? /^$/);
          return;
        }
        const theirs = await network(`${name} theirs`, true);
        t.after(() => theirs.remove());
        const ours = await network(`${name} ours`, false);
        t.after(() => ours.remove());
        await loadTheirs(theirs, args);
        await loadOurs(ours, program);
        const wires = [await openWire(theirs, ['guest0', 'gw0']), await openWire(ours, ['guest0', 'gw0'])] as const;
        t.after(() => Promise.all(wires.map((wire) => wire.exit())));
        const shots = shotsOf(program);
        const differing: string[] = [];
        let passed = 0;
        for (const shot of reversed ? shots.reverse() : shots) {
          const [their, our] = [await arrives(wires[0], shot), await arrives(wires[1], shot)];
          if (their) passed += 1;
          if (their !== our)
            differing.push(`${their ? 'theirs' : 'ours'} passes ${shot.from} ${shot.what}: ${shot.hex}`);
        }
        assert.deepEqual(
          differing.filter((one) => DIFFERENT[name]?.test(one) !== true),
          [],
        );
        assert.ok(shots.length > 0 || UNHEARD.includes(name), 'there is something to send');
        t.diagnostic(`${shots.length} frames, ${passed} arrive`);
      });
    }
  }
}
