/** What an admin is told before it bites: the same in a dry run, in the log of a run, and in `status`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Guest, obstacle, openDom0 } from './dom0.ts';
import { A, G, H } from './frames.ts';
import { loggedBy, wordsAfter } from './told.ts';

const skip = obstacle();

interface Case {
  readonly title: string;
  readonly guest: Partial<Guest>;
  readonly setUp?: readonly string[];
  /** Somebody loses what is his. */
  readonly loud: readonly RegExp[];
  readonly quiet: readonly RegExp[];
}

const NO_ADDRESS = ['address flush dev br0'];
const ROUTED = [
  `route add default via ${G.ip} dev br0`,
  `-6 route add default via ${G.ip6} dev br0`,
  `neighbour add ${G.ip} lladdr ${G.mac} dev br0`,
];
const CLOSED6 = /^IPv6: closed, no address of it in ip=$/;
const CLOSED4 = /^IPv4: closed, no address of it in ip=$/;

const CASES: readonly Case[] = [
  { title: 'addresses of both families', guest: { ip: `${A.ip} ${A.ip6}` }, loud: [], quiet: [] },
  { title: 'no ip=', guest: {}, loud: [], quiet: [] },
  { title: 'only IPv4', guest: { ip: A.ip }, loud: [], quiet: [CLOSED6] },
  { title: 'only IPv6', guest: { ip: A.ip6 }, loud: [], quiet: [CLOSED4] },
  {
    title: 'a bridge without an IPv4 address',
    guest: { ip: `${A.ip} ${A.ip6}` },
    setUp: NO_ADDRESS,
    loud: [],
    quiet: [/^no broadcast of its subnet passes.*br0 has no IPv4 address.*write it, as 10\.0\.0\.11\/24$/],
  },
  {
    title: 'a bridge without an IPv4 address, and no ip=',
    guest: {},
    setUp: NO_ADDRESS,
    loud: [],
    quiet: [/^no broadcast of its subnet passes/],
  },
  {
    title: 'the same with a netmask',
    guest: { ip: `${A.ip}/24 ${A.ip6}` },
    setUp: NO_ADDRESS,
    loud: [],
    quiet: [/^10\.0\.0\.11\/24 has host bits/],
  },
  {
    title: 'an address of another subnet',
    guest: { ip: `192.0.2.10 ${A.ip6}` },
    loud: [],
    quiet: [/^no broadcast of its subnet passes.*it is in no subnet of br0.*as 192\.0\.2\.10\/24$/],
  },
  {
    title: "dom0's address",
    guest: { ip: `${H.ip} ${A.ip6}` },
    loud: [/^10\.0\.0\.1 is an address of this host on br0/],
    quiet: [],
  },
  {
    title: "dom0's IPv6 address",
    guest: { ip: `${A.ip} ${H.ip6}` },
    loud: [/^fd00::1 is an address of this host/],
    quiet: [],
  },
  {
    title: "dom0's link-local address",
    guest: { ip: `${A.ip} ${A.ip6} ${H.local}` },
    loud: [/^fe80::ff:fe00:b0 is an address of this host/],
    quiet: [],
  },
  {
    title: "the gateway's addresses",
    guest: { ip: `${G.ip} ${G.ip6}` },
    setUp: ROUTED,
    loud: [/^10\.0\.0\.254 is the gateway of this host/, /^fd00::fe is the gateway of this host/],
    quiet: [],
  },
  {
    title: "the gateway's MAC",
    guest: { mac: G.mac, ip: `${A.ip} ${A.ip6}` },
    setUp: ROUTED,
    loud: [/^02:00:00:00:00:fe is the MAC of the gateway 10\.0\.0\.254/],
    quiet: [],
  },
  {
    title: 'blocks that hold them',
    guest: { ip: '10.0.0.0/24 fd00::/64' },
    setUp: ROUTED,
    loud: [],
    quiet: [
      /^10\.0\.0\.0\/24 holds 10\.0\.0\.254, the gateway/,
      /^fd00::\/64 holds fd00::fe, the gateway/,
      /^10\.0\.0\.0\/24 holds 10\.0\.0\.1, an address of this host/,
      /^fd00::\/64 holds fd00::1, an address of this host/,
    ],
  },
  {
    title: 'the link-local addresses of all',
    guest: { ip: `${A.ip} fd00::11 fe80::/64` },
    setUp: ['-6 route add default via fe80::1 dev br0'],
    loud: [],
    quiet: [/^fe80::\/64 holds fe80::1, the gateway/, /^fe80::\/64 holds the link-local addresses/],
  },
];

function assertTold(words: readonly string[], expected: readonly RegExp[], where: string): void {
  for (const one of expected)
    assert.ok(
      words.some((word) => one.test(word)),
      `${where}: ${one} in ${words.join(' | ')}`,
    );
}

/** What the cases are about, among all else that is said. */
const NOTE = /closed, no address|no broadcast of|holds |of this host/;

for (const { title, guest, setUp = [], loud, quiet } of CASES) {
  test(`${title}: dry run, online and status say it`, { skip }, async (t) => {
    const dom0 = await openDom0(t);
    for (const line of setUp) await dom0.ns.check(['ip', ...line.split(' ')]);
    dom0.configure({ domid: 1, mac: A.mac, ...guest });
    await dom0.bench.addVif('vif1.0');
    await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'master', 'br0', 'up']);

    const dry = await dom0.admin(['reapply', '--dry-run', 'vif1.0']);
    assert.equal(dry.status, 0, dry.stderr);
    assertTold(wordsAfter(dry.stdout, '# warning: '), loud, 'dry run');
    assertTold(wordsAfter(dry.stdout, '# note: '), quiet, 'dry run');
    const said = [...wordsAfter(dry.stdout, '# warning: '), ...wordsAfter(dry.stdout, '# note: ')].filter((one) =>
      NOTE.test(one),
    );
    assert.equal(
      said.length,
      [...loud, ...quiet].filter((one) => said.some((word) => one.test(word))).length,
      said.join(' | '),
    );

    const log = await loggedBy(dom0, { domid: 1 });
    assertTold(wordsAfter(log, '<28>vif1.0: '), loud, 'log, as warnings');
    assertTold(wordsAfter(log, '<30>vif1.0: '), quiet, 'log');

    const status = await dom0.admin(['status', 'vif1.0']);
    assertTold(wordsAfter(status.stdout, '  warning: '), loud, 'status');
    assert.equal(wordsAfter(status.stdout, '  warning: ').length, loud.length, status.stdout);
    const shown = quiet.filter((one) => !/host bits|link-local/.test(one.source));
    assertTold(wordsAfter(status.stdout, '  '), shown, 'status');
  });
}
