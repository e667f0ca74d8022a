/** How the script is called, and what it answers: command line, environment, exit status, xenstore. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { type Dom0, LAUNCHER, obstacle, openDom0 } from './dom0.ts';

const skip = obstacle();
const ONE = { domid: 1 };

/** Everything a run can change: links, rules, xenstore, state. */
async function world(dom0: Dom0): Promise<unknown> {
  return {
    links: await dom0.ns.check(['ip', 'address']),
    ports: await dom0.ns.check(['bridge', '-d', 'link']),
    rules: await dom0.ruleset(),
    store: dom0.store.dump('/'),
    // On a busy host the launcher makes the folder of its places (test/commands/launcher.test.ts).
    state: ['vif', 'base.json', 'offline'].some((name) => existsSync(`${dom0.state}/${name}`)),
  };
}

/** A vif as netback leaves it for the script, with its keys. */
async function waiting(t: test.TestContext, options = {}): Promise<Dom0> {
  const dom0 = await openDom0(t, options);
  await dom0.bench.addVif('vif1.0');
  dom0.configure({ ...ONE, ip: '10.0.0.11' });
  return dom0;
}

async function isConnected(dom0: Dom0): Promise<void> {
  assert.equal(dom0.key(1, 'hotplug-status'), 'connected');
  assert.equal((await dom0.link('vif1.0'))?.master, 'br0');
}

test('command line', { skip, concurrency: 2 }, async (t) => {
  for (const args of [
    ['online', 'type_if=vif'],
    ['type_if=vif', 'online'],
    ['online'],
    ['unknown=1', 'online', 'type_if=vif', 'another=a b;c'],
    ['bridge=nobridge', 'ip=10.9.9.9', 'type_if=vif', 'online'],
    ['x.y-z=1', 'online', 'type_if=vif'],
  ]) {
    await t.test(`online works as: ${args.join(' ')}`, async (t) => {
      const dom0 = await waiting(t);
      const result = await dom0.hotplug('online', ONE, { args });
      assert.deepEqual([result.status, result.stdout], [0, ''], result.stderr);
      await isConnected(dom0);
    });
  }

  for (const [what, args, env] of [
    ['an unknown command', ['restart', 'type_if=vif'], {}],
    ['no command', ['type_if=vif'], {}],
    ['nothing at all', [], {}],
    ['an unknown type_if', ['online', 'type_if=disk'], {}],
    ['no vif', ['online', 'type_if=vif'], { vif: undefined }],
    ['an empty vif', ['online', 'type_if=vif'], { vif: '' }],
    ['no XENBUS_PATH', ['online', 'type_if=vif'], { XENBUS_PATH: undefined }],
    ['an empty XENBUS_PATH', ['online', 'type_if=vif'], { XENBUS_PATH: '' }],
    ['no INTERFACE for a tap', ['add', 'type_if=tap'], { INTERFACE: undefined }],
    ['an XENBUS_PATH of the guest', ['online', 'type_if=vif'], { XENBUS_PATH: '/local/domain/1/device/vif/0' }],
    ['an XENBUS_PATH with a step up', ['online', 'type_if=vif'], { XENBUS_PATH: 'backend/vif/1/0/../../2/0' }],
    ['the XENBUS_PATH of another vif', ['online', 'type_if=vif'], { XENBUS_PATH: 'backend/vif/2/0' }],
  ] as const) {
    await t.test(`refuses ${what}, and touches nothing`, async (t) => {
      const dom0 = await waiting(t);
      const before = await world(dom0);
      const result = await dom0.hotplug('online', ONE, { args, env });
      assert.deepEqual([result.status, result.stdout], [1, '']);
      assert.notEqual(result.stderr, '');
      const { state: _, ...after } = (await world(dom0)) as Record<string, unknown>;
      const { state: __, ...expected } = before as Record<string, unknown>;
      assert.deepEqual(after, expected);
    });
  }

  await t.test('the pairings that are meant for the other interface do nothing', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...ONE, ip: '10.0.0.11', type: 'vif_ioemu' });
    const before = await world(dom0);
    const writes = () => dom0.store.log.filter(({ op }) => op === 'WRITE' || op === 'RM' || op === 'MKDIR').length;
    const written = writes();
    for (const args of [
      ['online', 'type_if=tap'],
      ['offline', 'type_if=tap'],
      ['add', 'type_if=vif'],
      ['remove', 'type_if=vif'],
      ['add'],
      ['remove'],
    ]) {
      const result = await dom0.hotplug('online', ONE, { args });
      assert.deepEqual([result.status, result.stdout, result.stderr], [0, '', ''], args.join(' '));
    }
    assert.deepEqual(await world(dom0), before);
    assert.equal(writes(), written);
  });
});

test('XENBUS_PATH', { skip, concurrency: 2 }, async (t) => {
  await t.test('may be absolute', async (t) => {
    const dom0 = await waiting(t);
    const env = { XENBUS_PATH: '/local/domain/0/backend/vif/1/0' };
    assert.equal((await dom0.hotplug('online', ONE, { env })).status, 0);
    await isConnected(dom0);
    assert.equal((await dom0.hotplug('offline', ONE, { env })).status, 0);
  });

  await t.test('is relative to the own domain in a driver domain', async (t) => {
    const dom0 = await waiting(t, { domid: 5 });
    assert.equal((await dom0.hotplug('online', ONE)).status, 0);
    await isConnected(dom0);
    assert.equal(dom0.frontendKey(1, 'mtu'), '1500');
    assert.equal(dom0.store.read('/local/domain/0'), undefined);
  });

  await t.test('of a tap follows from its name when there is none', async (t) => {
    const dom0 = await waiting(t);
    await dom0.bench.addVif('vif1.0-emu');
    const env = { XENBUS_PATH: undefined, INTERFACE: 'vif1.0-emu' };
    assert.equal((await dom0.hotplug('add', ONE, { env })).status, 0);
    const tap = (await dom0.status()).find(({ name }) => name === 'vif1.0-emu');
    assert.deepEqual([tap?.state, tap?.addresses], ['managed', ['10.0.0.11']]);
  });
});

test('surroundings', { skip, concurrency: 2 }, async (t) => {
  await t.test('is run through a symbolic link, by sh, from any folder', async (t) => {
    for (const [how, program, cwd] of [
      ['link', (link: string) => [link], '/tmp'],
      ['sh', (link: string) => ['sh', link], '/'],
      ['sh and its real path', () => ['sh', LAUNCHER], '/proc/self'],
      ['a relative path', () => ['./vif-bridge'], dirname(LAUNCHER)],
      ['a folder that cannot be read', (link: string) => [link], '/proc/1/fd'],
    ] as const) {
      await t.test(how, async (t) => {
        const dom0 = await waiting(t);
        const scripts = join(dom0.folder, 'scripts');
        mkdirSync(scripts);
        symlinkSync(LAUNCHER, join(scripts, 'first'));
        symlinkSync('first', join(scripts, 'vif-other-name'));
        const result = await dom0.hotplug('online', ONE, { program: program(join(scripts, 'vif-other-name')), cwd });
        assert.deepEqual([result.status, result.stdout], [0, ''], result.stderr);
        await isConnected(dom0);
      });
    }
  });

  await t.test('a strange environment does not matter', async (t) => {
    const dom0 = await waiting(t);
    const env = {
      LC_ALL: 'xx_YY.UTF-99',
      LANG: 'de_DE.UTF-8',
      TERM: 'dumb',
      HOME: '/nowhere',
      NODE_OPTIONS: '--require /nowhere.js',
      NODE_EXTRA_CA_CERTS: '/nowhere.pem',
      IFS: 'onlie',
      PATH: '/nowhere',
      ENV: '/nowhere',
      FORCE_COLOR: '1',
      command: 'offline',
      ACTION: 'remove',
      dev: 'br0',
      type_if: 'tap',
    };
    const result = await dom0.hotplug('online', ONE, { env });
    assert.deepEqual([result.status, result.stdout], [0, ''], result.stderr);
    await isConnected(dom0);
  });

  await t.test('variables of a shell never change the filter of a vif of Xen', async (t) => {
    const dom0 = await waiting(t);
    const env = {
      ip: '10.0.0.0/8 ::/1',
      mac: '00:16:3e:00:00:99',
      bridge: 'nobridge',
      vifname: 'stolen',
      mtu: '1000',
      no_ip: 'unrestricted',
      type: 'vif_ioemu',
    };
    const given = Object.entries(env).map(([key, value]) => `${key}=${value}`);
    assert.equal((await dom0.hotplug('online', ONE, { env, args: ['online', 'type_if=vif', ...given] })).status, 0);
    const [port] = await dom0.status();
    assert.deepEqual(
      [port?.name, port?.mac, port?.addresses, port?.bridge, port?.mode],
      ['vif1.0', '00:16:3e:00:01:00', ['10.0.0.11'], 'br0', 'addresses'],
    );
    assert.equal((await dom0.link('vif1.0'))?.mtu, 1500);
  });

  await t.test('an empty ip= key is not replaced by a variable either', async (t) => {
    const dom0 = await waiting(t);
    dom0.store.write('backend/vif/1/0/ip', '');
    await dom0.hotplug('online', ONE, { env: { ip: '10.0.0.99' }, args: ['online', 'ip=10.0.0.98'] });
    assert.equal((await dom0.status())[0]?.mode, 'mac-only');
  });

  await t.test('keys that the guest can write are never read', async (t) => {
    const dom0 = await waiting(t);
    dom0.store.write('/local/domain/1/device/vif/0/mac', '00:16:3e:00:00:99');
    dom0.store.write('/local/domain/1/device/vif/0/ip', '10.0.0.99');
    assert.equal((await dom0.hotplug('online', ONE)).status, 0);
    assert.deepEqual(
      dom0.store.log.filter(({ op, path }) => op === 'READ' && path.includes('/device/')),
      [],
    );
    assert.equal((await dom0.status())[0]?.mac, '00:16:3e:00:01:00');
  });

  await t.test('with UDEV_CALL it does nothing where libxl runs the scripts', async (t) => {
    const dom0 = await waiting(t);
    dom0.store.write('libxl/disable_udev', '1');
    const before = await world(dom0);
    const result = await dom0.hotplug('online', ONE, { env: { UDEV_CALL: '1' } });
    assert.deepEqual([result.status, result.stdout, result.stderr], [0, '', '']);
    assert.deepEqual(await world(dom0), before);
  });

  await t.test('with UDEV_CALL it works where udev runs the scripts', async (t) => {
    const dom0 = await waiting(t);
    assert.equal((await dom0.hotplug('online', ONE, { env: { UDEV_CALL: '1' } })).status, 0);
    await isConnected(dom0);
  });
});

test('what Xen is told', { skip, concurrency: 2 }, async (t) => {
  await t.test('hotplug-status=connected is the last of all, in one write', async (t) => {
    const dom0 = await waiting(t);
    await dom0.hotplug('online', ONE);
    const writes = dom0.store.log.filter(({ op }) => op === 'WRITE');
    assert.deepEqual(
      writes.map(({ path, value }) => [path, value]),
      [
        ['/local/domain/1/device/vif/0/mtu', '1500'],
        ['backend/vif/1/0/hotplug-status', 'connected'],
      ],
    );
    assert.ok(
      dom0.store.log.findLastIndex(({ op }) => op === 'READ') < dom0.store.log.findIndex(({ op }) => op === 'WRITE'),
    );
  });

  await t.test('a tap is never called connected', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.bench.addVif('vif1.0-emu');
    dom0.configure({ ...ONE, ip: '10.0.0.11', type: 'vif_ioemu' });
    const written = dom0.store.log.length;
    assert.equal((await dom0.hotplug('add', ONE)).status, 0);
    assert.equal((await dom0.hotplug('remove', ONE)).status, 0);
    assert.deepEqual(
      dom0.store.log.slice(written).filter(({ op }) => op === 'WRITE'),
      [],
    );
    assert.equal(dom0.key(1, 'hotplug-status'), '');
  });

  await t.test('offline writes nothing', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...ONE, ip: '10.0.0.11' });
    const before = dom0.store.dump('/');
    assert.equal((await dom0.hotplug('offline', ONE)).status, 0);
    assert.deepEqual(dom0.store.dump('/'), before);
  });

  await t.test('an error of an earlier run is cleared by success', async (t) => {
    const dom0 = await waiting(t);
    dom0.store.write('backend/vif/1/0/hotplug-error', 'old');
    await dom0.hotplug('online', ONE);
    assert.deepEqual([dom0.key(1, 'hotplug-error'), dom0.key(1, 'hotplug-status')], ['', 'connected']);
  });

  for (const [what, change, text] of [
    ['a bridge that is not there', { bridge: 'xenbr7' }, /^Could not find bridge device xenbr7\b/],
    ['a bridge= that is none', { bridge: 'up0' }, /^bridge=up0 is not a bridge\b/],
    ['no MAC', { mac: '' }, /^no MAC address for vif1\.0\b/],
    ['a MAC that is none', { mac: 'zz' }, /"zz" is not a MAC address/],
    ['a group MAC', { mac: '01:00:5e:00:00:01' }, /group address/],
    ["the bridge's MAC", { mac: '02:00:00:00:00:b0' }, /MAC address of the bridge br0/],
    ['an address that is none', { ip: '10.0.0.300' }, /10\.0\.0\.300/],
    ['one bad address among good ones', { ip: '10.0.0.11 10.0.0.1x fd00::11' }, /10\.0\.0\.1x/],
    ['an MTU that is none', { mtu: '99999' }, /99999/],
    ['VLANs with tags', { vlan: '10p/20' }, /vlan="10p\/20" is not one VLAN/],
    ['a vifname that is too long', { vifname: 'a'.repeat(16) }, /too long/],
  ] as const) {
    await t.test(`${what}: one line in hotplug-error, status 1, link down, nothing applied`, async (t) => {
      const dom0 = await waiting(t);
      for (const [key, value] of Object.entries(change)) dom0.store.write(`backend/vif/1/0/${key}`, value);
      await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'up']);
      const result = await dom0.hotplug('online', ONE);
      assert.deepEqual([result.status, result.stdout], [1, '']);
      assert.match(dom0.key(1, 'hotplug-error') ?? '', text);
      assert.match(dom0.key(1, 'hotplug-error') ?? '', /^[\x20-\x5b\x5d-\x7e]{1,240}$/);
      assert.equal(dom0.key(1, 'hotplug-status'), 'error');
      const link = await dom0.link('vif1.0');
      assert.deepEqual([link?.flags.includes('UP'), link?.master], [false, undefined]);
      assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
      // libxl calls offline after a failed online.
      assert.equal((await dom0.hotplug('offline', ONE)).status, 0);
      assert.equal(dom0.key(1, 'hotplug-status'), 'error');
    });
  }

  await t.test('a broken policy file is an error that names file and line', async (t) => {
    const dom0 = await waiting(t, { policy: '[defaults]\n\nno_ip = perhaps\n' });
    assert.equal((await dom0.hotplug('online', ONE)).status, 1);
    assert.match(dom0.key(1, 'hotplug-error') ?? '', /no_ip = "perhaps".*vif-bridge\.ini:3/);
    assert.equal((await dom0.hotplug('offline', ONE)).status, 0);
  });

  await t.test('a program that is not installed is an error, and the link stays closed', async (t) => {
    const dom0 = await waiting(t);
    const home = join(dom0.folder, 'copy');
    mkdirSync(join(home, 'xen-scripts'), { recursive: true });
    await dom0.ns.check(['cp', LAUNCHER, join(home, 'xen-scripts')]);
    await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'up']);
    const program = [join(home, 'xen-scripts/vif-bridge')];
    assert.equal((await dom0.hotplug('online', ONE, { program })).status, 1);
    assert.equal(dom0.key(1, 'hotplug-status'), 'error');
    assert.notEqual(dom0.key(1, 'hotplug-error') ?? '', '');
    assert.equal((await dom0.link('vif1.0'))?.flags.includes('UP'), false);
    assert.equal((await dom0.hotplug('offline', ONE, { program })).status, 0);
  });
});

test('the backend directory', { skip, concurrency: 2 }, async (t) => {
  await t.test('is never made again when Xen has removed it', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...ONE, ip: '10.0.0.11' });
    dom0.store.remove('backend/vif/1');
    for (const command of ['offline', 'online', 'offline'] as const) await dom0.hotplug(command, ONE);
    assert.equal(dom0.store.read('backend/vif/1'), undefined);
    assert.equal(dom0.store.read('/local/domain/1/device/vif/0/hotplug-error'), undefined);
  });

  await t.test('is not made again by an online during which it vanishes', async (t) => {
    const dom0 = await openDom0(t);
    dom0.configure({ ...ONE, ip: '10.0.0.11' });
    // The device is late: the keys are read by then.
    const run = dom0.hotplug('online', ONE);
    await new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (!dom0.store.log.some(({ path }) => path.endsWith('backend/vif/1/0/ip'))) return;
        clearInterval(look);
        resolve();
      }, 5);
    });
    dom0.store.remove('backend/vif/1');
    await dom0.bench.addVif('vif1.0');
    const result = await run;
    assert.equal(result.status, 1);
    assert.equal(dom0.store.read('backend/vif/1'), undefined);
    assert.equal((await dom0.link('vif1.0'))?.flags.includes('UP'), false);
  });

  await t.test('keeps all of its keys', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...ONE, ip: '10.0.0.11', type: 'vif_ioemu' });
    const keys = dom0.store.list('backend/vif/1/0');
    await dom0.hotplug('offline', ONE);
    await dom0.hotplug('remove', ONE);
    assert.deepEqual(dom0.store.list('backend/vif/1/0'), keys);
  });
});

test('hostile values', { skip, concurrency: 2 }, async (t) => {
  const VALUES = [
    '; touch PWNED',
    '$(touch PWNED)',
    '`touch PWNED`',
    '| touch PWNED',
    '\n touch PWNED\n',
    '" } ; flush ruleset ; table x { chain "',
    '10.0.0.11 } accept # ',
    '10.0.0.11\nadd rule bridge xen-vif prerouting accept',
    '--help',
    '-force',
    '/etc/passwd',
    '../../../../etc/passwd',
    '%n%n%s',
    'é\u0000x',
    '\\x41\\n',
    '0.0.0.0/0 ::/0',
    '010.0.0.1',
    '::ffff:10.0.0.1',
    'fe80::1%br0',
    'a'.repeat(4000),
    ' '.repeat(4000),
    '10.0.0.1 '.repeat(440),
  ];
  // The keys that mean something get all of it; the others only what would show.
  for (const [key, values] of [
    ['ip', VALUES],
    ['mac', VALUES.slice(0, 10)],
    ['bridge', VALUES.slice(0, 13)],
    ['vifname', VALUES.slice(0, 15)],
    ['mtu', VALUES.slice(0, 5)],
    ['type', VALUES.slice(0, 2)],
    ['script', VALUES.slice(0, 2)],
    ['hotplug-error', VALUES.slice(0, 5)],
    ['vlan', VALUES.slice(0, 5)],
    ['x', VALUES.slice(4, 7)],
  ] as const)
    await t.test(`in the key ${key} reach no shell, no rule, no other file`, async (t) => {
      const dom0 = await openDom0(t);
      writeFileSync(join(dom0.folder, 'safe'), '');
      await dom0.start({ domid: 2, ip: '10.0.0.12' });
      // Without counters, and without the elements of sets.
      const shared = (): Promise<string> => dom0.ns.check(['nft', '-s', '-t', 'list', 'ruleset']);
      const before = await shared();
      for (const value of values) {
        await dom0.bench.addVif('vif1.0');
        await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'up']);
        dom0.configure({ ...ONE, ip: '10.0.0.11' });
        dom0.store.write(`backend/vif/1/0/${key}`, value);
        const result = await dom0.hotplug('online', ONE, { cwd: dom0.folder });
        const link = await dom0.link('vif1.0');
        assert.equal(result.stdout, '');
        if (result.status === 0) {
          assert.equal(dom0.key(1, 'hotplug-status'), 'connected', JSON.stringify(value));
          assert.equal(link?.master, 'br0', JSON.stringify(value));
        } else {
          assert.equal(dom0.key(1, 'hotplug-status'), 'error', JSON.stringify(value));
          assert.match(dom0.key(1, 'hotplug-error') ?? '', /^[\x20-\x5b\x5d-\x7e]{1,240}$/, JSON.stringify(value));
          assert.equal(link?.flags.includes('UP'), false, JSON.stringify(value));
        }
        // Whatever it was, the rules stand and nothing is open.
        assert.doesNotMatch(await dom0.ruleset(), /PWNED|table x|etc/);
        assert.equal((await dom0.hotplug('offline', ONE)).status, 0);
        assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
        assert.equal(await shared(), before, JSON.stringify(value));
        await dom0.bench.removeVif('vif1.0');
      }
      assert.deepEqual(
        (await dom0.ns.check(['ls', dom0.folder]))
          .split('\n')
          .filter((name) => !['', 'safe', 'state', 'vif-bridge.ini'].includes(name)),
        [],
      );
    });

  await t.test('as variables are refused', async (t) => {
    const dom0 = await waiting(t);
    for (const vif of ['vif1.0;reboot', '../vif1.0', '-x', 'a'.repeat(16), 'vif1.0\nup', 'vif 1.0']) {
      const result = await dom0.hotplug('online', ONE, { env: { vif } });
      assert.deepEqual([result.status, result.stdout], [1, ''], JSON.stringify(vif));
    }
    assert.doesNotMatch(await dom0.ruleset(), /vif1/);
  });
});
