import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { hotplug } from '../../src/commands/hotplug.ts';
import { Failure } from '../../src/errors.ts';
import { parseMac } from '../../src/net/mac-address.ts';
import { fdbRequest } from '../../src/port/fdb-request.ts';
import { groupLimitRequest } from '../../src/port/group-limit-request.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import type { VifRecord } from '../../src/state/records.ts';
import type { HotplugCommand } from '../../src/xen/hotplug-call.ts';
import { type HotplugEvent, parseHotplugEvent } from '../../src/xen/hotplug-event.ts';
import { vifRecord } from '../state/vif-record.ts';
import { device, type FakeHost, type FakeOptions, fakeHost, type Tool } from './fake-host.ts';

const PATH = 'backend/vif/1/0';
const ENV = { XENBUS_PATH: PATH, vif: 'vif1.0', INTERFACE: 'vif1.0-emu' };
const BRIDGE = device('xenbr0', { ifindex: 3, isBridge: true, mac: '02:00:00:00:00:01' });
const VIF = device('vif1.0');

function event(command: HotplugCommand, env: Record<string, string> = ENV): HotplugEvent {
  const type = command === 'add' || command === 'remove' ? 'tap' : 'vif';
  const parsed = parseHotplugEvent(command, [`type_if=${type}`], env);
  assert.ok(parsed !== undefined);
  return parsed;
}

function listing(keys: Readonly<Record<string, string>>): Tool {
  const stdout = Object.entries(keys).map(([key, value]) => `${PATH}/${key} = "${value}"\n`);
  return () => ({ stdout: stdout.join('') });
}

const GOOD = { script: '/s', mac: '00:16:3e:00:00:01', ip: '192.0.2.1', bridge: 'xenbr0', type: 'vif' };
const works: Tool = () => ({});
const refuses =
  (stderr: string): Tool =>
  () => ({ status: 1, stderr });
const hangs: Tool = () => {
  throw new Failure('timeout', 'it did not end within 8.0 s');
};
const TOOLS: Readonly<Record<string, Tool>> = {
  'xenstore-ls': listing(GOOD),
  'xenstore-exists': works,
  'xenstore-write': works,
  ip: works,
  bridge: works,
  nft: works,
};

function setUp(t: TestContext, options: Partial<FakeOptions> = {}): FakeHost {
  const directory = mkdtempSync(join(tmpdir(), 'xvb-hotplug-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return fakeHost({ directory, devices: [BRIDGE, VIF], tools: TOOLS, ...options });
}

const hostsOf = (fake: FakeHost) => ({ working: () => fake.host, reporting: () => fake.host });

/** Runs an online or add that must fail; what was thrown. */
async function failing(fake: FakeHost, of: HotplugEvent): Promise<Failure> {
  try {
    await hotplug(hostsOf(fake), of);
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return error;
  }
  throw new Error('it went well');
}

const index = (effects: readonly string[], start: string): number => effects.findIndex((one) => one.startsWith(start));

test('online: locked, rules before the port joins, up after both, and Xen is told last', async (t) => {
  const fake = setUp(t);
  await hotplug(hostsOf(fake), event('online'));
  const steps = [
    'lock vif1.0',
    `xenstore-ls -f ${PATH}`,
    'nft -f -',
    'ip link set dev vif1.0 master xenbr0',
    'bridge fdb replace 00:16:3e:00:00:01 dev vif1.0 master static sticky',
    'ip link set dev vif1.0 up',
    `xenstore-write -- /local/domain/1/device/vif/0/mtu 1500 ${PATH}/hotplug-status connected`,
    'release vif1.0',
  ].map((step) => index(fake.effects, step));
  assert.ok(!steps.includes(-1), fake.effects.join('\n'));
  assert.deepEqual(
    steps,
    [...steps].sort((a, b) => a - b),
    fake.effects.join('\n'),
  );
  assert.equal(fake.effects.at(-1), 'release vif1.0');
  assert.equal(fake.effects.filter((effect) => effect.includes('connected')).length, 1);
});

test('online: on a bridge that filters VLANs the port is pinned, and learns in those that come later', async (t) => {
  const fake = setUp(t, { devices: [{ ...BRIDGE, vlanFiltering: true }, VIF] });
  await hotplug(hostsOf(fake), event('online'));
  for (const line of ['type bridge_slave learning on', 'type bridge_slave locked off']) {
    assert.ok(fake.effects.includes(`ip link set dev vif1.0 ${line}`), fake.effects.join('\n'));
  }
  assert.ok(fake.effects.includes('bridge fdb replace 00:16:3e:00:00:01 dev vif1.0 master static sticky'));
  // The chain at the device that drops link-local frames.
  assert.equal(fake.host.state.readVif('vif1.0')?.ingress, true);
  assert.equal(fake.host.state.readVif('vif1.0')?.shared, false);
});

/** `online` with this bridge(8), twice; what the log said each time, and what was asked. */
async function limited(t: TestContext, options: Partial<FakeOptions>): Promise<{ said: number[]; effects: string[] }> {
  const first = setUp(t, options);
  await hotplug(hostsOf(first), event('online'));
  const again = fakeHost({
    devices: [BRIDGE, VIF],
    tools: TOOLS,
    ticket: 11,
    ...options,
    directory: first.host.state.directory,
  });
  await hotplug(hostsOf(again), event('online'));
  const said = [first, again].map(({ log }) => log.filter(({ text }) => text.includes('multicast groups')).length);
  return { said, effects: [...first.effects, ...again.effects].filter((one) => /mcast_max_groups|2a0040/.test(one)) };
}

const LIMIT = 'bridge link set dev vif1.0 mcast_max_groups 64';
/** iproute2 before 6.3: its usage, and the rest of the batch is not done. */
const oldBridge: Tool = (_, { input = '' }) =>
  input.includes('mcast_max_groups') ? { status: 255, stderr: 'Usage: bridge link set dev DEV' } : {};

test('online: the port has a limit of multicast groups, by bridge(8) or by the kernel itself', async (t) => {
  assert.deepEqual(await limited(t, { limitsGroups: true }), { said: [0, 0], effects: [LIMIT, LIMIT] });
  const { effects, said } = await limited(t, { limitsGroups: true, kernel: 'takes' });
  assert.deepEqual(said, [0, 0]);
  const request = Buffer.from(groupLimitRequest(VIF.ifindex, 64)).toString('hex');
  assert.deepEqual(effects, [`rtnetlink ${request}`, `rtnetlink ${request}`]);
});

test('online: where there is no such limit the log says so once, and the port is in service', async (t) => {
  assert.deepEqual(await limited(t, {}), { said: [1, 0], effects: [] });
  const tools = { ...TOOLS, bridge: oldBridge };
  assert.deepEqual(await limited(t, { limitsGroups: true, tools }), { said: [1, 0], effects: [LIMIT] });
});

test('online: where the runtime can ask the kernel itself, the forwarding entry needs no program', async (t) => {
  const { bridge: _, ...tools } = TOOLS;
  const fake = setUp(t, { kernel: 'takes', tools });
  await hotplug(hostsOf(fake), event('online'));
  const entry = `rtnetlink ${Buffer.from(fdbRequest(VIF.ifindex, parseMac(GOOD.mac, 'the test'))).toString('hex')}`;
  assert.ok(fake.effects.indexOf(entry) > index(fake.effects, 'ip link set dev vif1.0 master xenbr0'));
  assert.ok(fake.effects.indexOf(entry) < index(fake.effects, 'ip link set dev vif1.0 up'));
});

test('online: what the kernel refuses is left to the program, which says why', async (t) => {
  const fake = setUp(t, { kernel: 'refuses', tools: { ...TOOLS, bridge: refuses('No buffers\nCommand failed -:2') } });
  assert.match((await failing(fake, event('online'))).message, /fdb replace .* failed: No buffers/);
  assert.equal(index(fake.effects, 'ip link set dev vif1.0 up'), -1);
});

test('add of a tap: the same without a word to Xen', async (t) => {
  const fake = setUp(t, { devices: [BRIDGE, device('vif1.0-emu')] });
  await hotplug(hostsOf(fake), event('add'));
  assert.ok(fake.effects.includes('ip link set dev vif1.0-emu up'));
  assert.equal(index(fake.effects, 'xenstore-write'), -1);
});

/** Each step of online fails once: the run must fail, close the link after everything else, and tell Xen. */
const FAILURES: readonly (readonly [what: string, tools: Readonly<Record<string, Tool>>, says: RegExp])[] = [
  ['xenstore hangs when it is read', { 'xenstore-ls': hangs }, /did not end/],
  ['the address is bad', { 'xenstore-ls': listing({ ...GOOD, ip: '192.0.2.300' }) }, /"192\.0\.2\.300" is not an IP/],
  ['the MAC is bad', { 'xenstore-ls': listing({ ...GOOD, mac: 'zz' }) }, /"zz" is not a MAC address/],
  [
    'the bridge is not there',
    { 'xenstore-ls': listing({ ...GOOD, bridge: 'br7' }) },
    /^Could not find bridge device br7/,
  ],
  ['the bridge is none', { 'xenstore-ls': listing({ ...GOOD, bridge: 'vif1.0' }) }, /bridge=vif1\.0 is not a bridge/],
  ["the MAC is the bridge's", { 'xenstore-ls': listing({ ...GOOD, mac: BRIDGE.mac }) }, /MAC address of the bridge/],
  [
    'a vlan is asked for',
    { 'xenstore-ls': listing({ ...GOOD, vlan: '10p' }) },
    /vlan=10 is set, and xenbr0 does not filter VLANs/,
  ],
  ['nft refuses the rules', { nft: refuses('Error: syntax error') }, /nft -f - failed .*syntax error/],
  ['nft hangs', { nft: hangs }, /did not end/],
  [
    'the port cannot join',
    {
      ip: (_args, { input = '' }) => {
        const line = input.split('\n').findIndex((text) => text.includes(' master ')) + 1;
        return line === 0 ? {} : { status: 1, stderr: `RTNETLINK answers: Busy\nCommand failed -:${line}\n` };
      },
    },
    /master xenbr0 failed: RTNETLINK answers: Busy/,
  ],
  ['the forwarding entry is refused', { bridge: refuses('No buffers\nCommand failed -:2') }, /fdb replace .* failed/],
  ['the last word to Xen fails', { 'xenstore-write': refuses('xs_transaction_end') }, /xenstore-write .* failed/],
];

for (const [what, tools, says] of FAILURES) {
  test(`online fails when ${what}: the link is closed, Xen is told once, and never "connected"`, async (t) => {
    const fake = setUp(t, { tools: { ...TOOLS, ...tools } });
    const failure = await failing(fake, event('online'));
    const writes = fake.effects.filter((effect) => effect.startsWith('xenstore-write'));
    const told = writes.at(-1) ?? '';
    assert.match(failure.message, says);
    assert.match(told, new RegExp(`^xenstore-write -- ${PATH}/hotplug-error .* ${PATH}/hotplug-status error$`));
    assert.match(told, /^[\x20-\x7e]+$/);
    assert.ok(!told.includes('\\'));
    if (!('xenstore-write' in tools)) assert.ok(writes.every((write) => !write.includes('connected')));
    const down = fake.effects.lastIndexOf('ip link set dev vif1.0 down');
    assert.ok(down > fake.effects.lastIndexOf('ip link set dev vif1.0 up'));
    assert.ok(down > index(fake.effects, 'release vif1.0'));
    assert.ok(fake.log.some(({ severity, text }) => severity === 'err' && text.startsWith('online vif1.0: ')));
  });
}

test('a failed add closes the tap and says so to Xen too', async (t) => {
  const fake = setUp(t, { devices: [BRIDGE, device('vif1.0-emu')], tools: { ...TOOLS, nft: hangs } });
  await failing(fake, event('add'));
  assert.equal(fake.effects.filter((effect) => effect === 'ip link set dev vif1.0-emu down').length, 1);
  assert.match(fake.effects.at(-1) ?? '', /hotplug-status error$/);
});

test('a backend directory that Xen has removed is not written to', async (t) => {
  const fake = setUp(t, { tools: { ...TOOLS, nft: hangs, 'xenstore-exists': refuses('') } });
  await failing(fake, event('online'));
  assert.equal(index(fake.effects, 'xenstore-write'), -1);
  assert.equal(index(fake.effects, 'ip link set dev vif1.0 down') >= 0, true);
});

test('xenstore that hangs while a failure is reported hides neither the failure nor the link', async (t) => {
  const fake = setUp(t, { tools: { ...TOOLS, nft: refuses('no'), 'xenstore-exists': hangs } });
  assert.match((await failing(fake, event('online'))).message, /nft/);
  assert.ok(fake.effects.includes('ip link set dev vif1.0 down'));
  assert.ok(fake.log.some(({ text }) => text.startsWith('cannot tell Xen')));
});

test('a record that cannot be read is none: what is loaded is not known, so all is made anew', async (t) => {
  const fake = setUp(t);
  mkdirSync(join(fake.host.state.directory, 'vif'), { recursive: true });
  writeFileSync(join(fake.host.state.directory, 'vif', 'vif1.0.json'), '{');
  await hotplug(hostsOf(fake), event('online'));
  assert.ok(fake.effects.some((effect) => effect.endsWith('hotplug-status connected')));
  assert.match(fake.log[0]?.text ?? '', /^state that counts as none: it is no JSON text .*vif1\.0\.json/);
  assert.equal(fake.host.state.readVif('vif1.0')?.device, 'vif1.0');
});

test('a broken policy fails an online before anything is done, and is told to Xen', async (t) => {
  const fake = setUp(t);
  const working = (): never => {
    throw new Failure('input', 'no_ip = "x" is not possible', { at: '/etc/xen/vif-bridge.ini:2' });
  };
  await assert.rejects(hotplug({ working, reporting: () => fake.host }, event('online')), { code: 'input' });
  assert.deepEqual(fake.effects.slice(0, 3), [
    'ip link set dev vif1.0 down',
    // Of ours, and with no rules: closed even if somebody sets it up.
    `ip link set dev vif1.0 group ${guestGroup(VIF.ifindex)}`,
    `xenstore-exists ${PATH}/script`,
  ]);
  assert.match(
    fake.effects.at(-1) ?? '',
    /hotplug-error no_ip = "x" is not possible \(\/etc\/xen\/vif-bridge\.ini:2\) /,
  );
});

test('by hand xenstore is never touched', async (t) => {
  const env = { vif: 'vif1.0', mac: '00:16:3e:00:00:01', ip: '192.0.2.1', bridge: 'xenbr0' };
  const fake = setUp(t, { tools: { ip: works, bridge: works, nft: works } });
  await hotplug(hostsOf(fake), event('online', env));
  const broken = setUp(t, { tools: { ip: works, nft: hangs } });
  await failing(broken, event('online', env));
  for (const command of ['offline'] as const) await hotplug(hostsOf(fake), event(command, env));
});

test('what arguments and environment say never changes the filter of a vif of Xen', async (t) => {
  const fake = setUp(t);
  const env = { ...ENV, ip: '203.0.113.66', mac: '00:16:3e:66:66:66', vifname: 'evil0', bridge: 'evil0', mtu: '9000' };
  await hotplug(hostsOf(fake), event('online', env));
  const record = fake.host.state.readVif('vif1.0');
  assert.deepEqual(record?.values, { mac: GOOD.mac, ip: GOOD.ip, bridge: 'xenbr0', nicType: 'vif' });
  assert.deepEqual([record?.name, record?.bridge], ['vif1.0', 'xenbr0']);
});

test('a MAC in capitals is the same MAC: ports that share it are found', async (t) => {
  const twin = device('vif2.0', { ifindex: 8, up: true, master: 'xenbr0' });
  const fake = setUp(t, {
    devices: [BRIDGE, VIF, twin],
    tools: { ...TOOLS, 'xenstore-ls': listing({ ...GOOD, mac: '00:16:3E:AA:0B:C' }) },
  });
  const env = { vif: 'vif2.0', mac: '00-16-3e-aa-0b-0c', bridge: 'xenbr0' };
  await hotplug(hostsOf(fake), event('online', env));
  await hotplug(hostsOf(fake), event('online'));
  assert.deepEqual(fake.host.state.devicesWithMac('00:16:3e:aa:0b:0c').sort(), ['vif1.0', 'vif2.0']);
  assert.ok(fake.effects.includes('ip link set dev vif2.0 type bridge_slave learning on'));
  await hotplug(hostsOf(fake), event('offline'));
  assert.deepEqual(fake.host.state.devicesWithMac('00:16:3e:aa:0b:0c'), ['vif2.0']);
});

test('offline: the port first, then its rules, and nothing is written to xenstore', async (t) => {
  const fake = setUp(t);
  await hotplug(hostsOf(fake), event('online'));
  fake.effects.length = 0;
  await hotplug(hostsOf(fake), event('offline'));
  assert.deepEqual(
    fake.effects.map((effect) => effect.replace(/ \{.*/, '')),
    [
      ...['lock vif1.0', 'ip link set dev vif1.0 down', 'ip link set dev vif1.0 nomaster', 'nft -f -'],
      // It was the last one: the sentinel, then the tables.
      ...['lock base', 'nft -f -', 'nft -f -', 'release base', 'release vif1.0'],
    ],
  );
  assert.equal(fake.host.state.readVif('vif1.0'), undefined);
});

for (const [what, tools] of [
  ['ip fails', { ip: refuses('gone') }],
  ['nft fails', { nft: refuses('gone') }],
  ['nft hangs', { nft: hangs }],
] as const) {
  test(`offline ends well when ${what}, with the reason in the log`, async (t) => {
    const fake = setUp(t);
    await hotplug(hostsOf(fake), event('online'));
    const later = fakeHost({
      directory: fake.host.state.directory,
      devices: [BRIDGE, VIF],
      tools: { ...TOOLS, ...tools },
      ticket: 11,
    });
    await hotplug(hostsOf(later), event('offline'));
    assert.ok(later.log.some(({ severity, text }) => severity === 'err' && text.startsWith('offline vif1.0: ')));
  });
}

test('offline of what was never online, and of what is gone, ends well', async (t) => {
  for (const devices of [[BRIDGE], [BRIDGE, VIF], []]) {
    const fake = setUp(t, { devices });
    await hotplug(hostsOf(fake), event('offline'));
    await hotplug(hostsOf(fake), event('remove'));
    assert.equal(fake.log.filter(({ severity }) => severity === 'err').length, 0);
  }
});

test('offline without xenstore still takes the port down', async (t) => {
  const fake = setUp(t, { tools: { ...TOOLS, 'xenstore-ls': hangs } });
  await hotplug(hostsOf(fake), event('offline'));
  assert.ok(fake.effects.includes('ip link set dev vif1.0 down'));
});

const record = (more: Partial<VifRecord>): VifRecord =>
  vifRecord({ bridge: 'xenbr0', values: { mac: GOOD.mac, ip: GOOD.ip }, xenbus: PATH, since: '', ...more });

/** Another port with the same MAC, as its run leaves it. */
const TWIN = record({ device: 'vif2.0', name: 'vif2.0', ifindex: 8, xenbus: 'backend/vif/2/0' });

test('a late offline does not touch the interface of a new domain that has the name by now', async (t) => {
  for (const old of [{ ifindex: 6 }, { bootId: 'earlier' }] as const) {
    const fake = setUp(t, { devices: [BRIDGE, device('web0', { up: true })] });
    fake.host.state.writeVif(record({ name: 'web0', ...old }));
    await hotplug(hostsOf(fake), event('offline'));
    assert.equal(index(fake.effects, 'ip link'), -1);
    assert.equal(fake.host.state.readVif('vif1.0'), undefined);
  }
});

for (const [what, more, succeeds] of [
  ['is on no bridge yet, whose own run looks for twins at its end', {}, true],
  ['is in service', { master: 'xenbr0' }, false],
] as const) {
  test(`a twin that cannot be told to learn and ${what}: online ${succeeds ? 'succeeds' : 'fails'}`, async (t) => {
    const ip: Tool = (_, { input = '' }) => {
      const line = input.split('\n').findIndex((text) => text.includes('dev vif2.0 type bridge_slave learning on'));
      if (line < 0) return {};
      return { status: 1, stderr: `RTNETLINK answers: Operation not supported\nCommand failed -:${line + 1}\n` };
    };
    const twin = device('vif2.0', { ifindex: 8, ...more });
    const fake = setUp(t, { devices: [BRIDGE, VIF, twin], tools: { ...TOOLS, ip } });
    fake.host.state.writeVif(TWIN);
    if (succeeds) await hotplug(hostsOf(fake), event('online'));
    else assert.match((await failing(fake, event('online'))).message, /vif2\.0 type bridge_slave learning on failed/);
    // Nobody may take it for done.
    assert.equal(fake.host.state.readVif('vif2.0')?.shared, false);
    assert.equal(index(fake.effects, 'bridge fdb del'), -1);
  });
}

test('a twin that got its name meanwhile is told by that name', async (t) => {
  let name = 'vif2.0';
  const ip: Tool = (_, { input = '' }) => {
    if (!input.includes('dev vif2.0 ')) return {};
    name = 'web0';
    return { status: 1, stderr: 'Cannot find device "vif2.0"\nCommand failed -:1\n' };
  };
  const fake = setUp(t, { tools: { ...TOOLS, ip } });
  fake.host.state.writeVif(TWIN);
  const host = {
    ...fake.host,
    readDevice: (wanted: string) =>
      wanted === name ? device(name, { ifindex: 8, master: 'xenbr0' }) : fake.host.readDevice(wanted),
    deviceNames: () => [...fake.host.deviceNames(), name],
  };
  await hotplug({ working: () => host, reporting: () => host }, event('online'));
  assert.ok(fake.effects.includes('ip link set dev web0 type bridge_slave learning on'), fake.effects.join('\n'));
  assert.equal(fake.host.state.readVif('vif2.0')?.shared, true);
});

test('a port that was alone until now loses its forwarding entry, and counts as pinned until then', async (t) => {
  const alone = setUp(t);
  await hotplug(hostsOf(alone), event('online'));
  assert.equal(alone.host.state.readVif('vif1.0')?.shared, false);
  const options = { devices: [BRIDGE, VIF, device('vif2.0', { ifindex: 8, master: 'xenbr0' })], tools: TOOLS };
  const bridge: Tool = (_, { input = '' }) => {
    // What a run that is killed here leaves.
    if (input.includes('fdb del')) assert.equal(again.host.state.readVif('vif1.0')?.shared, false);
    return {};
  };
  const again = fakeHost({
    ...options,
    tools: { ...TOOLS, bridge },
    directory: alone.host.state.directory,
    ticket: 11,
  });
  again.host.state.writeVif({ ...TWIN, shared: true });
  await hotplug(hostsOf(again), event('online'));
  assert.ok(again.effects.includes(`bridge fdb del ${GOOD.mac} dev vif1.0 master`), again.effects.join('\n'));
  assert.equal(again.host.state.readVif('vif1.0')?.shared, true);
});

test('an offline that a newer run has overtaken does nothing', async (t) => {
  const fake = setUp(t, { ticket: 10 });
  fake.host.state.writeVif(record({ ticket: 11 }));
  await hotplug(hostsOf(fake), event('offline'));
  assert.deepEqual(fake.effects, ['lock vif1.0', 'release vif1.0']);
  assert.notEqual(fake.host.state.readVif('vif1.0'), undefined);
});

test('an online that a newer offline has overtaken brings nothing back and does not say "connected"', async (t) => {
  const fake = setUp(t, { ticket: 10 });
  fake.host.state.writeOffline('vif1.0', 11);
  await hotplug(hostsOf(fake), event('online'));
  assert.equal(index(fake.effects, 'nft'), -1);
  assert.equal(index(fake.effects, 'xenstore-write'), -1);
  assert.equal(existsSync(join(fake.host.state.directory, 'vif', 'vif1.0.json')), false);
});
