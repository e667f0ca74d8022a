import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { HOTPLUG_COMMANDS, type HotplugCommand } from '../../src/xen/hotplug-call.ts';
import { frontendPath, type HotplugEvent, parseHotplugEvent, parseXenbusPath } from '../../src/xen/hotplug-event.ts';
import { accepts, refusal } from '../net/refusal.ts';

/** What libxl sets for a PV vif, and what it adds for an emulated NIC (libxl_linux.c: get_hotplug_env). */
const LIBXL = {
  script: '/etc/xen/scripts/vif-bridge',
  XENBUS_TYPE: 'vif',
  XENBUS_PATH: 'backend/vif/1/0',
  XENBUS_BASE_PATH: 'backend',
  netdev: '',
  vif: 'vif1.0',
} as const;
const LIBXL_HVM = { ...LIBXL, INTERFACE: 'vif1.0-emu' } as const;

function event(command: HotplugCommand, args: readonly string[], env: Record<string, string>): HotplugEvent {
  const parsed = parseHotplugEvent(command, args, env);
  assert.notEqual(parsed, undefined);
  return parsed as HotplugEvent;
}

// libxl_linux.c: libxl__hotplug_nic.
const RUNS: readonly (readonly [HotplugCommand, string, Record<string, string>, device: string | undefined])[] = [
  ['online', 'vif', LIBXL, 'vif1.0'],
  ['offline', 'vif', LIBXL, 'vif1.0'],
  ['online', 'vif', LIBXL_HVM, 'vif1.0'],
  ['add', 'tap', LIBXL_HVM, 'vif1.0-emu'],
  ['offline', 'vif', LIBXL_HVM, 'vif1.0'],
  ['remove', 'tap', LIBXL_HVM, 'vif1.0-emu'],
  ['online', 'tap', LIBXL_HVM, undefined],
  ['offline', 'tap', LIBXL_HVM, undefined],
  ['add', 'vif', LIBXL_HVM, undefined],
  ['remove', 'vif', LIBXL_HVM, undefined],
];

for (const [command, type, env, device] of RUNS) {
  const hvm = 'INTERFACE' in env ? ' of an emulated NIC' : '';
  test(`${command} type_if=${type}${hvm} is ${device === undefined ? 'to do nothing' : `about ${device}`}`, () => {
    const parsed = parseHotplugEvent(command, [`type_if=${type}`], env);
    assert.equal(parsed?.device, device);
    if (parsed === undefined) return;
    assert.equal(parsed.type, type);
    assert.deepEqual(parsed.xenbus, { path: 'backend/vif/1/0', domid: 1, devid: 0 });
  });
}

test('a run without type_if is about the vif, as xend and udev meant it', () => {
  assert.equal(event('online', [], LIBXL).device, 'vif1.0');
  assert.equal(event('offline', [], LIBXL_HVM).device, 'vif1.0');
  for (const command of ['add', 'remove'] as const) assert.equal(parseHotplugEvent(command, [], LIBXL_HVM), undefined);
});

test('a pairing that is to do nothing does so whatever else is wrong', () => {
  for (const env of [{}, { XENBUS_PATH: '/etc/passwd', vif: '../..' }]) {
    assert.equal(parseHotplugEvent('online', ['type_if=tap'], env), undefined);
    assert.equal(parseHotplugEvent('remove', [], env), undefined);
  }
});

test('an unknown type_if is refused', () => {
  for (const type of ['VIF', 'tun', 'vif ', 'vif;tap']) {
    assert.match(
      refusal((text) => parseHotplugEvent('online', [`type_if=${text}`], LIBXL), type).message,
      /^type_if is "/,
    );
  }
});

test('an empty type_if counts as none', () => {
  assert.equal(event('online', ['type_if='], LIBXL).type, 'vif');
});

test('what is missing or empty in the environment is refused with its name', () => {
  for (const vif of [undefined, '']) {
    const env = { ...LIBXL, vif };
    assert.equal(refusal(() => parseHotplugEvent('online', [], env), '').message, 'vif is not set');
  }
  assert.equal(refusal(() => parseHotplugEvent('add', ['type_if=tap'], LIBXL), '').message, 'INTERFACE is not set');
});

test('keys that do not exist are tolerated from Xen, and refused from a person', () => {
  const unknown = ['frobnicate=yes', 'a-b=c', '=x'];
  assert.equal(event('online', unknown, LIBXL).device, 'vif1.0');
  const hand = { vif: 'vif1.0' };
  for (const one of unknown) assert.throws(() => parseHotplugEvent('online', [one], hand), { code: 'input' });
  assert.equal(refusal(() => parseHotplugEvent('online', ['Ip=1'], hand), '').hint, 'did you mean ip=?');
  assert.equal(event('online', ['script=x', 'netdev=', 'ip=192.0.2.1'], hand).given.ip, '192.0.2.1');
});

test('arguments win over the environment, in any order', () => {
  const env = { vif: 'vif9.9', ip: '198.51.100.1', bridge: 'other', mac: '00:16:3e:00:00:09' };
  const args = ['ip=192.0.2.1 192.0.2.2', 'vif=vif1.0', 'mac=', 'bridge=xenbr0'];
  const parsed = event('online', args, env);
  assert.equal(parsed.device, 'vif1.0');
  assert.equal(parsed.xenbus, undefined);
  assert.deepEqual(
    { ...parsed.given },
    {
      mac: undefined,
      ip: '192.0.2.1 192.0.2.2',
      bridge: 'xenbr0',
      vifname: undefined,
      mtu: undefined,
      gatewaydev: undefined,
      main_ip: undefined,
      guest: undefined,
    },
  );
});

test('a value keeps its equal signs and line feeds for the parser behind', () => {
  assert.equal(event('online', ['vif=vif1.0', 'ip=a=b\nc'], {}).given.ip, 'a=b\nc');
});

const PATHS: readonly (readonly [path: string, domid: number, devid: number])[] = [
  ['backend/vif/1/0', 1, 0],
  ['/local/domain/0/backend/vif/1/0', 1, 0],
  ['/local/domain/5/backend/vif/32751/15', 32751, 15],
  ['backend/vif/0/0', 0, 0],
];

for (const [path, domid, devid] of PATHS) {
  test(`${path} is the backend directory of vif${domid}.${devid}`, () => {
    assert.deepEqual(parseXenbusPath(path), { path, domid, devid });
    assert.equal(frontendPath(parseXenbusPath(path)), `/local/domain/${domid}/device/vif/${devid}`);
  });
}

for (const path of [
  '',
  'backend/vif/1',
  'backend/vif/1/0/',
  'backend/vif/1/0/ip',
  '/backend/vif/1/0',
  'backend/vif/01/0',
  'backend/vif/1/00',
  'backend/vif/-1/0',
  'backend/vif/32752/0',
  'backend/vif/99999/0',
  'backend/vbd/1/0',
  'backend/tap/1/0',
  'backend/vif/1/0\n',
  'backend/vif/1/0 x',
  '../backend/vif/1/0',
  '/local/domain/1/device/vif/0',
  '/local/domain/0/backend/vif/../../../1/0',
  '/local/domain/x/backend/vif/1/0',
]) {
  test(`${JSON.stringify(path)} is refused as a backend directory`, () => {
    assert.match(refusal(parseXenbusPath, path).message, /is not the backend directory of a vif$/);
  });
}

test('a device of one vif with the path of another is refused', () => {
  for (const vif of ['vif1.1', 'vif2.0', 'vif10.0']) {
    const failure = refusal(() => parseHotplugEvent('online', [], { ...LIBXL, vif }), '');
    assert.equal(failure.message, `${vif} is not the interface of backend/vif/1/0`);
  }
  const tap = { ...LIBXL_HVM, INTERFACE: 'vif2.0-emu' };
  refusal(() => parseHotplugEvent('add', ['type_if=tap'], tap), '');
});

test("a tap of udev's times gets its path from its name", () => {
  for (const device of ['tap1.0', 'vif1.0-emu']) {
    const parsed = event('add', ['type_if=tap'], { INTERFACE: device });
    assert.deepEqual(parsed.xenbus, { path: 'backend/vif/1/0', domid: 1, devid: 0 });
  }
});

test('a tap that an admin describes by hand has no path', () => {
  assert.equal(event('add', ['type_if=tap', 'INTERFACE=vif1.0-emu', 'mac=0:16:3e:0:0:1'], {}).xenbus, undefined);
});

test('hostile text in any variable is refused or kept as text, and nothing else happens', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('$(id)', '`id`', '; reboot', '../../etc', '-batch', '__proto__', 'vif1.0', 'backend/vif/1/0'),
  );
  const key = fc.constantFrom(
    'vif',
    'INTERFACE',
    'XENBUS_PATH',
    'type_if',
    'ip',
    'mac',
    'bridge',
    'vifname',
    '__proto__',
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...HOTPLUG_COMMANDS),
      fc.array(fc.tuple(key, text), { maxLength: 5 }),
      fc.array(text, { maxLength: 3 }),
      (command, pairs, words) => {
        const args = [...pairs.map(([name, value]) => `${name}=${value}`), ...words];
        accepts(() => parseHotplugEvent(command, args, LIBXL_HVM), '');
        if (!accepts(() => parseHotplugEvent(command, args, LIBXL_HVM), '')) return;
        const parsed = parseHotplugEvent(command, args, LIBXL_HVM);
        if (parsed === undefined) return;
        assert.match(parsed.device, /^[A-Za-z][A-Za-z0-9._-]{0,14}$/);
        assert.match(parsed.xenbus?.path ?? 'backend', /^(\/local\/domain\/\d+\/)?backend(\/vif\/\d+\/\d+)?$/);
      },
    ),
  );
});
