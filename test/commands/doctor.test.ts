/**
 * Every finding of the doctor: one host on which it is found, and one on which it is not. The hosts are made of text
 * here; test/kernel/doctor.test.ts has real ones.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { BaseChain } from '../../src/backends/nftables/base-chains.ts';
import type { Finding, Look } from '../../src/commands/doctor/finding.ts';
import { diagnose, diagnosisStatus, diagnosisText, GROUPS } from '../../src/commands/doctor.ts';
import type { PortStatus } from '../../src/commands/status.ts';
import { Failure } from '../../src/errors.ts';
import type { Host } from '../../src/host.ts';
import type { VifRecord } from '../../src/state/records.ts';
import { parsePolicy } from '../policy/effective.ts';
import { vifRecord } from '../state/vif-record.ts';
import { device, fakeHost, type Tool } from './fake-host.ts';
import { WELL } from './port-status.ts';

/** What is otherwise than on a host on which all is well. */
interface Situation {
  /** Undefined: there is no such file. */
  readonly files?: Readonly<Record<string, string | undefined>>;
  /** Undefined: it is not installed. */
  readonly tools?: Readonly<Record<string, Tool | undefined>>;
  readonly ports?: readonly Partial<PortStatus>[];
  readonly chains?: readonly Partial<BaseChain>[];
  readonly bridged?: boolean;
  readonly policy?: Partial<Host['policy']>;
  readonly host?: Partial<Host>;
  readonly bridge?: Parameters<typeof device>[1];
  readonly record?: Partial<VifRecord>;
}

const FILES: Readonly<Record<string, string>> = {
  '/proc/sys/kernel/osrelease': '6.1.0-50-amd64\n',
  '/proc/mounts': 'proc /proc proc rw,nosuid 0 0\nsysfs /sys sysfs ro 0 0\n',
  '/sys/class/net/br0/bridge/forward_delay': '0\n',
  '/sys/class/net/br0/bridge/stp_state': '0\n',
  '/sys/class/net/br0/bridge/group_fwd_mask': '0x0\n',
  '/etc/xen/xl.conf': '# no script=\nvif.default.script="/opt/x/vif-bridge"\n',
  '/opt/x/vif-bridge': '#!/bin/sh\n',
  '/run/systemd/system/x': '',
  '/etc/systemd/system/timers.target.wants/vif-bridge-check.timer': '',
  '/run/systemd/netif/links/7': '# private\nADMIN_STATE=unmanaged\n',
  '/run/NetworkManager/devices/7': '[device]\nmanaged=false\n',
  '/etc/xen/web1.cfg': "name = 'web1'\nvif = [ 'mac=00:16:3e:00:00:01, ip=192.0.2.10 2001:db8::10, bridge=br0' ]\n",
  '/etc/xen/auto/10-web1': "name = 'web1'\nvif = [ 'mac=00:16:3e:00:00:01, ip=192.0.2.10 2001:db8::10, bridge=br0' ]\n",
};

const silent: Tool = () => ({});
const TOOLS: Readonly<Record<string, Tool>> = {
  ip: silent,
  bridge: silent,
  logger: silent,
  flock: silent,
  'xenstore-read': silent,
  'xenstore-list': silent,
  nft: (args) => (args[0] === '--version' ? { stdout: 'nftables v1.0.6 (Lester Gooch #5)\n' } : {}),
  'iptables-save': silent,
};

function lookAt(directory: string, situation: Situation): Look {
  const files = { ...FILES, ...situation.files };
  const tools = { ...TOOLS, ...situation.tools };
  const missing: Tool = () => {
    throw new Failure('not-installed', 'it is not installed');
  };
  const { host } = fakeHost({
    directory,
    tools: Object.fromEntries(Object.entries(tools).map(([name, tool]) => [name, tool ?? missing])),
    devices: [device('br0', { ifindex: 3, isBridge: true, ...situation.bridge }), device('vif1.0', { master: 'br0' })],
    policy: { ...situation.policy },
  });
  const names = Object.keys(files).filter((name) => files[name] !== undefined);
  return {
    host: {
      ...host,
      state: { ...host.state, allVifs: () => (situation.record === undefined ? [] : [vifRecord(situation.record)]) },
      ...situation.host,
    },
    read: (path) => files[path],
    list: (folder) => [
      ...new Set(
        names.flatMap((name) =>
          name.startsWith(`${folder}/`) ? (name.slice(folder.length + 1).split('/')[0] ?? '') : [],
        ),
      ),
    ],
    status: async () => ({
      ports: (situation.ports ?? [{}]).map((port) => ({ ...WELL, ...port })),
      backend: 'nftables',
      fills: [],
    }),
    chains: async () => (situation.chains ?? []).map((chain) => ({ ...CHAIN, ...chain })),
    bridgedToIptables: () => situation.bridged ?? false,
  };
}

const CHAIN: BaseChain = { family: 'inet', table: 'x', name: 'y', hook: 'forward', type: 'filter', policy: 'accept' };

const config = (vif: string, name = 'web2'): Situation => ({
  files: { '/etc/xen/web2.cfg': `name = "${name}"\nvif = [ ${vif} ]\n` },
});
const MAC = 'mac=00:16:3e:00:00:02';
const nothing: Situation = {};
const GUEST: Partial<VifRecord> = { values: { mac: '00:16:3e:00:00:01', guest: 'web7' } };

/** A policy that has sections of these. */
function about(...heads: readonly string[]): Partial<Host['policy']> {
  return parsePolicy(heads.map((head) => `${head}\nmode = locked\n`).join(''), 'policy.ini');
}

const ROUTED: Partial<VifRecord> = { routed: { metric: 2, routes: ['192.0.2.10'], proxies: [] } };
const DROPPING: Tool = () => ({ stdout: '-P FORWARD DROP\n' });
const DOCKERS: Tool = () => ({ stdout: '-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\n' });

/** By the finding: where it is, and where it is not though it is near. */
const SITUATIONS: Readonly<Record<string, readonly [found: readonly Situation[], not: readonly Situation[]]>> = {
  'program-missing': [
    [{ tools: { ip: undefined } }, { tools: { 'xenstore-read': undefined } }, { tools: { logger: undefined } }],
    [{ tools: { ip: () => ({ status: 1 }) } }],
  ],
  'flock-missing': [[{ tools: { flock: undefined } }], [{ tools: { flock: undefined }, policy: { lock: 'lockfile' } }]],
  'nft-old': [
    [
      { tools: { nft: () => ({ stdout: 'nftables v1.0.5 (Lester Gooch #4)' }) } },
      { tools: { nft: () => ({ stdout: 'nftables v0.9.8' }) } },
    ],
    [
      { tools: { nft: () => ({ stdout: 'nftables v1.1.0' }) } },
      { tools: { nft: () => ({ stdout: 'nftables v2.0.0' }) } },
    ],
  ],
  'backend-second': [
    [
      {
        policy: { backend: 'auto' },
        tools: {
          nft: (args) => (args[0] === '-c' ? { status: 1, stderr: 'Error: no bridge family' } : {}),
          ebtables: silent,
          'ebtables-restore': silent,
          'ebtables-nft': silent,
          'ebtables-nft-restore': silent,
        },
      },
    ],
    [{ policy: { backend: 'auto' } }],
  ],
  'no-packet-filter': [
    [
      {
        policy: { backend: 'auto' },
        tools: {
          nft: (args) => (args[0] === '-c' ? { status: 1, stderr: 'Error: no bridge family' } : {}),
          ebtables: undefined,
          'ebtables-nft': undefined,
          'ebtables-legacy': undefined,
          'ebtables-restore': undefined,
          'ebtables-nft-restore': undefined,
          'ebtables-legacy-restore': undefined,
        },
      },
    ],
    [nothing],
  ],
  'kernel-old': [
    [
      { files: { '/proc/sys/kernel/osrelease': '5.10.0-30-amd64\n' } },
      { files: { '/proc/sys/kernel/osrelease': '4.19.0' } },
    ],
    [{ files: { '/proc/sys/kernel/osrelease': '5.18.0\n' } }, { files: { '/proc/sys/kernel/osrelease': '7.0\n' } }],
  ],
  'frames-dropped': [
    [{ chains: [{ family: 'bridge', policy: 'drop' }] }],
    [{ chains: [{ family: 'bridge', table: 'xen-vif', policy: 'drop' }] }],
  ],
  'frames-filtered': [
    [{ chains: [{ family: 'bridge', table: 'filter' }] }, { chains: [{ family: 'netdev', hook: 'ingress' }] }],
    [{ chains: [{ family: 'inet' }, { family: 'bridge', table: 'xen-vif' }, { family: 'netdev', table: 'xen-vif' }] }],
  ],
  'packets-dropped': [
    [{ bridged: true, chains: [{ policy: 'drop' }] }],
    [
      { bridged: false, chains: [{ policy: 'drop' }] },
      { bridged: true, chains: [{ policy: 'accept' }, { hook: 'input', policy: 'drop' }] },
      // host_accept puts an accept there.
      { bridged: true, chains: [{ family: 'ip', table: 'filter', name: 'FORWARD', policy: 'drop' }] },
    ],
  ],
  'forward-own': [
    [
      { record: ROUTED, tools: { iptables: DROPPING } },
      { record: ROUTED, tools: { iptables: DOCKERS }, policy: { host_accept: 'no' } },
    ],
    [
      { record: {}, tools: { iptables: DROPPING } },
      { record: ROUTED, tools: { iptables: DROPPING }, policy: { host_accept: 'yes' } },
      { record: ROUTED, tools: { iptables: () => ({ stdout: '-P FORWARD ACCEPT\n' }) } },
      { record: ROUTED, tools: { iptables: undefined } },
    ],
  ],
  'routed-own': [
    [{ record: ROUTED, chains: [{ policy: 'drop' }] }],
    [
      { record: {}, chains: [{ policy: 'drop' }] },
      { record: ROUTED, chains: [{ policy: 'accept' }, { hook: 'input', policy: 'drop' }] },
      { record: ROUTED, chains: [{ family: 'ip', table: 'filter', name: 'FORWARD', policy: 'drop' }] },
    ],
  ],
  'forward-drops': [
    [
      {
        bridged: true,
        policy: { host_accept: 'no' },
        chains: [{ family: 'ip', table: 'filter', name: 'FORWARD', policy: 'drop' }],
      },
    ],
    [
      { bridged: true, chains: [{ family: 'ip', table: 'filter', name: 'FORWARD', policy: 'drop' }] },
      { policy: { host_accept: 'no' }, chains: [{ family: 'ip', table: 'filter', name: 'FORWARD', policy: 'drop' }] },
    ],
  ],
  'dnat-back': [
    [
      {
        bridged: true,
        tools: { 'iptables-save': () => ({ stdout: '-A PREROUTING -p tcp -j DNAT --to-destination 192.0.2.10:80\n' }) },
      },
      {
        bridged: true,
        chains: [{ family: 'ip', table: 'n', type: 'nat', hook: 'prerouting' }],
        tools: {
          nft: (args) => ({
            stdout: args.includes('n') ? '{"rule": [{"dnat": {"addr": "192.0.2.10", "port": 80}}]}' : '',
          }),
        },
      },
    ],
    [
      {
        tools: { 'iptables-save': () => ({ stdout: '-A PREROUTING -p tcp -j DNAT --to-destination 192.0.2.10:80\n' }) },
      },
      {
        bridged: true,
        tools: { 'iptables-save': () => ({ stdout: '-A X -j DNAT --to-destination 192.0.2.100:80\n' }) },
      },
      {
        bridged: true,
        ports: [{ allow: ['hairpin'] }],
        tools: { 'iptables-save': () => ({ stdout: '-A X -j DNAT --to-destination 192.0.2.10\n' }) },
      },
      { bridged: true, tools: { 'iptables-save': undefined } },
    ],
  ],
  'forward-delay': [
    [
      { files: { '/sys/class/net/br0/bridge/forward_delay': '1500\n' } },
      { files: { '/sys/class/net/br0/bridge/forward_delay': '200\n', '/sys/class/net/br0/bridge/stp_state': '1\n' } },
    ],
    [nothing, { files: { '/sys/class/net/br0/bridge/forward_delay': '1500\n' }, bridge: { isBridge: false } }],
  ],
  'group-forwarding': [[{ files: { '/sys/class/net/br0/bridge/group_fwd_mask': '0x4000\n' } }], [nothing]],
  'vlan-aware': [[{ bridge: { vlanFiltering: true } }], [nothing]],
  'networkd-manages': [
    [{ files: { '/run/systemd/netif/links/7': 'ADMIN_STATE=configured\n' } }],
    [{ files: { '/run/systemd/netif/links/8': 'ADMIN_STATE=configured\n' } }],
  ],
  'network-manager-manages': [
    [{ files: { '/run/NetworkManager/devices/7': '[device]\nmanaged=true\n' } }],
    [{ files: { '/run/NetworkManager/devices/8': '[device]\nmanaged=true\n' } }],
  ],
  'policy-broken': [
    [{ policy: { broken: new Failure('input', 'unknown key "x"', { at: '/etc/xen/vif-bridge.ini:2' }) } }],
    [nothing],
  ],
  'policy-about-nobody': [
    [
      { policy: about('[guest web1]'), record: GUEST },
      { policy: about('[guest web1]', '[mac 00:16:3e:00:00:77]'), record: GUEST },
      { policy: about('[vif web0]', '[bridge br1]'), record: GUEST },
    ],
    [
      { policy: about('[guest web*]', '[mac 00:16:3e:00:00:01]', '[bridge br0]', '[vif vif1.0]'), record: GUEST },
      { policy: about('[defaults]') },
    ],
  ],
  damaged: [[{ ports: [{ state: 'damaged', warnings: ['its group'] }] }], [nothing]],
  'not-ours': [[{ ports: [{ state: 'unmanaged' }] }, { ports: [{ state: 'exempt' }] }], [nothing]],
  open: [
    [
      { ports: [{ observed: true, unfiltered: 'observe' }] },
      { ports: [{ mode: 'unrestricted', unfiltered: 'unlocked' }] },
    ],
    [{ ports: [{ mode: 'unrestricted', unfiltered: 'no_ip' }] }],
  ],
  overdue: [
    [{ ports: [{ mode: 'unrestricted', unfiltered: 'unlocked', overdue: '2026-01-01T12:00:00.000Z' }] }],
    [{ ports: [{ mode: 'unrestricted', unfiltered: 'unlocked' }] }],
  ],
  told: [
    [{ ports: [{ notes: [{ loud: true, text: 'two' }] }] }],
    [{ ports: [{ notes: [{ loud: false, text: 'quiet' }] }] }],
  ],
  'dom0-address': [
    [{ host: { netTable: () => 'fe80000000000000fcffff0000000001 07 40 20 80   vif1.0\n' } }],
    [{ host: { netTable: () => 'fe80000000000000fcffff0000000001 03 40 20 80   xenbr0\n' } }],
  ],
  'script-missing': [[{ files: { '/opt/x/vif-bridge': undefined } }], [{ files: { '/etc/xen/xl.conf': undefined } }]],
  'another-script': [
    [
      { host: { isOwnScript: () => false } },
      {
        files: { '/etc/xen/xl.conf': '#vif.default.script="x"\n', '/etc/xen/scripts/vif-bridge': 'x' },
        host: { isOwnScript: (script) => script !== '/etc/xen/scripts/vif-bridge' },
      },
    ],
    [
      { files: { '/etc/xen/xl.conf': "vifscript='vif-own'\n", '/etc/xen/scripts/vif-own': 'x' } },
      { files: { '/etc/xen/xl.conf': undefined }, host: { isOwnScript: () => false } },
    ],
  ],
  'ip-lost': [
    [config(`'${MAC}, ip = 192.0.2.2'`), config(`'${MAC},Ip=192.0.2.2'`), config(`"${MAC},\\tip=192.0.2.2"`)],
    [config(`'${MAC},  ip=192.0.2.2'`), config(`'${MAC}'`)],
  ],
  'ip-cut': [
    [config(`'${MAC},ip=192.0.2.2,192.0.2.3'`), config(`'ip=192.0.2.2,2001:db8::2,${MAC}'`)],
    [config(`'${MAC},ip=192.0.2.2 192.0.2.3'`)],
  ],
  'key-ignored': [
    [config(`'${MAC},adresses=x'`), config(`'${MAC},Bridge=br0'`)],
    [config(`'${MAC},model=e1000,type=ioemu,trusted,mtu=9000,vlan=10,gatewaydev=eth0'`), config("'',")],
  ],
  'mac-drawn': [[config("'bridge=br0'"), config("''")], [config(`'${MAC}'`)]],
  'mac-wrong': [
    [config("'mac=00:16:3e:zz:00:01'"), config("'mac=01:00:5e:00:00:01'")],
    [config("'mac=0-16-3e-0-0-2'")],
  ],
  'ip-wrong': [[config(`'${MAC},ip=10.0.0.300'`), config(`'${MAC},ip=host.example'`)], [config(`'${MAC},ip='`)]],
  'wide-prefix': [
    [config(`'${MAC},ip=10.0.0.0/16'`), config(`'${MAC},ip=2001:db8::/48'`)],
    [config(`'${MAC},ip=10.0.0.5/16'`), config(`'${MAC},ip=192.0.2.0/28 2001:db8:1::/64'`)],
  ],
  'double-mac': [
    // Of one that runs, and of two that do not.
    [config("'mac=00:16:3e:00:00:01'"), { ...config("'mac=00:16:3E:0:0:1'"), ports: [] }],
    // One guest and its own file; a guest with two NICs that have one.
    [config(`'${MAC}'`), config("'mac=00:16:3e:00:00:01'", 'web1')],
  ],
  'double-address': [
    [config(`'${MAC},ip=192.0.2.10'`), config(`'${MAC},ip=2001:db8::0010'`)],
    [
      { ...config(`'${MAC},ip=192.0.2.10'`), ports: [{ shared: ['192.0.2.10'] }] },
      config(`'${MAC},ip=192.0.2.11'`),
      config(`'${MAC},ip=192.0.2.10'`, 'web1'),
    ],
  ],
  'proc-read-only': [
    [{ files: { '/proc/mounts': 'proc /proc proc rw 0 0\nproc /proc/sys proc ro,nosuid 0 0\n' } }],
    [{ files: { '/proc/mounts': 'proc /proc/sys proc ro 0 0\nproc /proc/sys proc rw 0 0\n' } }],
  ],
  'other-network': [[{ host: { showsThisNetwork: () => false } }], [nothing]],
  'xenstore-silent': [
    [
      { tools: { 'xenstore-list': () => ({ status: 1, stderr: 'xs_open' }) } },
      { tools: { 'xenstore-list': undefined } },
    ],
    [nothing],
  ],
  'clock-jumped': [
    [{ record: { since: '2026-01-01T01:00:00.000Z' } }],
    [
      { record: { since: '2026-01-01T00:00:30.000Z' } },
      { record: { bootId: 'other', since: '2027-01-01T01:00:00.000Z' } },
    ],
  ],
  'no-timer': [
    [{ files: { '/etc/systemd/system/timers.target.wants/vif-bridge-check.timer': undefined } }],
    [
      {
        files: {
          '/etc/systemd/system/timers.target.wants/vif-bridge-check.timer': undefined,
          '/run/systemd/system/x': undefined,
        },
      },
    ],
  ],
};

async function found(situation: Situation): Promise<readonly Finding[]> {
  const directory = mkdtempSync(join(tmpdir(), 'xvb-doctor-'));
  try {
    const { findings, unknown } = await diagnose(lookAt(directory, situation));
    assert.deepEqual(unknown, []);
    return findings;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('nothing is found where all is well', async () => {
  assert.deepEqual(await found(nothing), []);
});

for (const [id, [where, notWhere]] of Object.entries(SITUATIONS)) {
  test(`${id} is found`, async () => {
    for (const [index, situation] of where.entries()) {
      const findings = (await found(situation)).filter((one) => one.id === id);
      assert.ok(findings.length > 0, `situation ${index}`);
      for (const { what, why, fix } of findings)
        for (const text of [what, fix, why]) assert.ok(text !== '' || id === 'not-ours');
    }
  });
  test(`${id} is not found`, async () => {
    for (const [index, situation] of notWhere.entries()) {
      const findings = (await found(situation)).filter((one) => one.id === id);
      assert.deepEqual(findings, [], `situation ${index}`);
    }
  });
}

test('every finding that there is has its situations', () => {
  const folder = new URL('../../src/commands/doctor/', import.meta.url).pathname;
  const ids = readdirSync(folder).flatMap((file) =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(/\bid: '([a-z0-9-]+)'/g)].flatMap(([, id]) => id ?? []),
  );
  assert.deepEqual([...new Set(ids)].sort(), Object.keys(SITUATIONS).sort());
});

test('what cannot be looked at is said, keeps nothing else from it, and ends with 2', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'xvb-doctor-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const look = lookAt(directory, { files: { '/sys/class/net/br0/bridge/forward_delay': '1500' } });
  const fails = async (): Promise<never> => {
    throw new Failure('tool', 'nft failed\u001b[2J');
  };
  const diagnosis = await diagnose({ ...look, status: fails });
  assert.ok(diagnosis.unknown.length > 0);
  assert.ok(diagnosis.findings.some(({ id }) => id === 'forward-delay'));
  assert.equal(diagnosisStatus(diagnosis), 2);
  const text = diagnosisText(diagnosis, false);
  assert.match(text, /^not known: ports of guests could not be looked at\n {2}why: nft failed/m);
  assert.ok(!text.includes('\u001b'));
});

test('the exit status goes by the worst that was found, and the worst stands first', async () => {
  const of = (severity: Finding['severity']): Finding => ({ id: 'x', severity, what: 'a', why: 'b', fix: 'c' });
  assert.equal(diagnosisStatus({ findings: [], unknown: [] }), 0);
  assert.equal(diagnosisStatus({ findings: [of('note')], unknown: [] }), 0);
  assert.equal(diagnosisStatus({ findings: [of('note'), of('warning')], unknown: [] }), 1);
  assert.equal(diagnosisStatus({ findings: [of('error')], unknown: [] }), 1);
  const findings = await found({
    ...config(`'ip = 192.0.2.2'`),
    bridge: { vlanFiltering: true },
    ports: [{ state: 'unmanaged' }],
  });
  assert.deepEqual([...new Set(findings.map(({ severity }) => severity))], ['error', 'warning', 'note']);
  const text = diagnosisText({ findings, unknown: [] }, false);
  assert.match(text, /^error: \/etc\/xen\/web2.cfg, vif 1: xl ignores "ip = 192.0.2.2"/);
  assert.match(text, /\n1 error, 1 warning, 2 notes\n$/);
});

test('every place is looked at by a name of its own', () => {
  assert.equal(new Set(GROUPS.map(({ name }) => name)).size, GROUPS.length);
});
