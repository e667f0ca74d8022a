import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Bench, buildBench, fdb, waitForForwarding } from './bench.ts';
import { createNamespace, type Namespace, namespaceObstacle } from './namespace.ts';
import { stockScripts } from './stock.ts';
import { PLAIN_ENV, type RunResult, runProgram } from './subprocess.ts';
import { backendPath, frontendPath, vifBackend } from './vif-backend.ts';
import { openWire, type Wire, WireError } from './wire.ts';
import { fetchXl } from './xen-packages.ts';
import { startXenstored, type Xenstored } from './xenstored.ts';
import { startXlDevd, type XlDevd } from './xl.ts';

const skip = namespaceObstacle();
if (skip) console.log(`skipped: ${skip}`);

interface TestContext {
  readonly name: string;
  after(cleanUp: () => unknown): void;
}

const BROADCAST = 'ffffffffffff';
const FROM_GUEST = `${BROADCAST}0200000000010800`;

async function namespace(t: TestContext): Promise<Namespace> {
  const ns = await createNamespace(t.name);
  t.after(() => ns.remove());
  return ns;
}

async function xenstored(t: TestContext, domid = 0): Promise<Xenstored> {
  const store = await startXenstored({ domid });
  t.after(() => store.stop());
  return store;
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'xvb-lab-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A script for `script=` that notes how it was called and then does `body`. */
function script(t: TestContext, body: string): { path: string; calls: () => string[]; log: () => string } {
  const dir = folder(t);
  const path = join(dir, 'script');
  const log = join(dir, 'log');
  writeFileSync(path, `#!/bin/sh\n{ echo "run $*"; env | sort; } >>'${log}'\n${body}\n`);
  chmodSync(path, 0o755);
  const text = () => (existsSync(log) ? readFileSync(log, 'utf8') : '');
  return { path, log: text, calls: () => [...text().matchAll(/^run (.*)$/gm)].map((match) => match[1] ?? '') };
}

test('namespace', { skip: skip ?? false }, async (t) => {
  await t.test('runs programs inside, with its own interfaces and /sys', async (t) => {
    const ns = await namespace(t);
    await ns.check(['ip', 'link', 'add', 'only-here', 'type', 'bridge']);
    assert.deepEqual((await ns.check(['ls', '/sys/class/net'])).split('\n').filter(Boolean), ['lo', 'only-here']);
    assert.equal(existsSync('/sys/class/net/only-here'), false);
  });

  await t.test('hands over exactly the given environment, input and folder', async (t) => {
    const ns = await namespace(t);
    const env = { A: 'b c' };
    const result = await ns.run(['/bin/sh', '-c', 'env; cat; pwd; echo bad >&2; exit 3'], {
      env,
      input: 'in\n',
      cwd: '/usr',
    });
    const seen = result.stdout.split('\n');
    assert.deepEqual([result.status, result.stderr, result.timedOut], [3, 'bad\n', false]);
    // PWD and the like are made by the shell.
    for (const line of ['A=b c', 'in', '/usr']) assert.ok(seen.includes(line), line);
    assert.equal(
      seen.some((line) => line.startsWith('PATH=') || line.startsWith('HOME=')),
      false,
    );
  });

  await t.test('kills a program and its children after the timeout', async (t) => {
    const ns = await namespace(t);
    const start = Date.now();
    const result = await ns.run(['sh', '-c', 'sleep 60 & sleep 60'], { timeoutMs: 200 });
    assert.deepEqual([result.status, result.signal, result.timedOut], [null, 'SIGKILL', true]);
    assert.ok(Date.now() - start < 5_000);
    assert.equal((await runProgram(['ip', 'netns', 'pids', ns.name])).stdout, '');
  });

  await t.test('says which command failed and why', async (t) => {
    const ns = await namespace(t);
    await assert.rejects(
      ns.check(['ip', 'link', 'show', 'nothing']),
      /ip link show nothing ended with 1: .*does not exist/,
    );
  });

  await t.test('takes running programs along when it is removed', async () => {
    const ns = await createNamespace('removal');
    const child = ns.spawn(['sh', '-c', 'trap "" TERM; echo up; sleep 60']);
    await once(child.stdout, 'data');
    const closed = once(child, 'close');
    await ns.remove();
    await ns.remove();
    await closed;
    assert.equal(existsSync(`/run/netns/${ns.name}`), false);
  });

  await t.test('leaves nothing behind when the test process ends, is terminated, or is killed', async () => {
    const make = (then: string): ChildProcess => {
      const url = new URL('namespace.ts', import.meta.url).href;
      const code = `const { createNamespace } = await import('${url}');
        const ns = await createNamespace('x'); ns.spawn(['sleep', '60']); console.log(ns.name); ${then}`;
      return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    };
    const nameOf = async (child: ChildProcess) => String((await once(child.stdout ?? child, 'data'))[0]).trim();

    const ending = make('process.exit(0)');
    const ended = once(ending, 'close');
    const first = await nameOf(ending);
    await ended;
    assert.equal(existsSync(`/run/netns/${first}`), false, 'after its end');

    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const child = make('setInterval(() => {}, 1000)');
      const name = await nameOf(child);
      child.kill(signal);
      await once(child, 'exit');
      assert.equal(existsSync(`/run/netns/${name}`), signal === 'SIGKILL', signal);
      if (signal !== 'SIGKILL') continue;
      await once(make('process.exit(0)'), 'close');
      assert.equal(existsSync(`/run/netns/${name}`), false, 'after the next test process');
    }
  });
});

test('bench and wire', { skip: skip ?? false }, async (t) => {
  const joined = async (t: TestContext, vif = 'vif1.0'): Promise<{ bench: Bench; guest: string; wire: Wire }> => {
    const bench = await buildBench(await namespace(t));
    const guest = await bench.addVif(vif);
    await bench.ns.check(['ip', 'link', 'set', vif, 'master', bench.bridge, 'up']);
    await waitForForwarding(bench.ns, vif);
    return { bench, guest, wire: await openWire(bench.ns, [bench.gateway, guest]) };
  };

  await t.test('a new vif is down, on no bridge, has the MAC of netback and says nothing', async (t) => {
    const bench = await buildBench(await namespace(t));
    const guest = await bench.addVif('vif1.0');
    const wire = await openWire(bench.ns, [bench.gateway, guest]);
    const link = await bench.ns.check(['ip', '-o', 'link', 'show', 'vif1.0']);
    assert.match(link, /fe:ff:ff:ff:ff:ff/);
    assert.doesNotMatch(link, /master|,UP/);
    await bench.ns.check(['ip', 'link', 'set', 'vif1.0', 'master', 'br0', 'up']);
    await waitForForwarding(bench.ns, 'vif1.0');
    assert.deepEqual(await wire.collect(1_500), []);
  });

  await t.test('a removed vif is gone, also under another name', async (t) => {
    const bench = await buildBench(await namespace(t));
    await bench.addVif('vif1.0');
    await bench.addVif('vif1.0-emu');
    await bench.ns.check(['ip', 'link', 'set', 'vif1.0', 'name', 'web0']);
    for (const vif of ['vif1.0', 'vif1.0', 'vif1.0-emu']) await bench.removeVif(vif);
    assert.doesNotMatch(await bench.ns.check(['ip', '-o', 'link']), /vif|guest|web0/);
  });

  await t.test('dom0 answers on its addresses', async (t) => {
    const { guest, wire } = await joined(t);
    await wire.send(guest, `${BROADCAST}0200000000010806 0001080006040001 020000000001 0a000002 000000000000 0a000001`);
    const [reply] = (await wire.collect()).filter(({ iface }) => iface === guest);
    assert.equal(
      reply?.hex.slice(0, 84),
      `0200000000010200000000b008060001080006040002${'0200000000b0'}0a0000010200000000010a000002`,
    );
  });

  await t.test('every sent frame has arrived when it is collected', async (t) => {
    const { bench, guest, wire } = await joined(t);
    for (let n = 0; n < 300; n++) {
      const hex = FROM_GUEST + n.toString(16).padStart(92, '0');
      await wire.send(guest, n % 2 ? hex : Buffer.from(hex, 'hex'));
      assert.deepEqual(await wire.collect(1), [{ iface: bench.gateway, hex }]);
    }
    assert.deepEqual(
      (await fdb(bench.ns, 'br0')).filter(({ mac }) => mac === '02:00:00:00:00:01'),
      [{ mac: '02:00:00:00:00:01', dev: 'vif1.0', flags: [] }],
    );
  });

  for (const tag of ['81000064', '88a80064', '81000000', '8100e005', '88a8006481000065', '8100006488a80065']) {
    await t.test(`a VLAN tag ${tag} is seen as it was sent`, async (t) => {
      const { bench, guest, wire } = await joined(t);
      const hex = `${BROADCAST}020000000001${tag}0800${'00'.repeat(46)}`;
      await wire.send(guest, hex);
      assert.deepEqual(await wire.collect(), [{ iface: bench.gateway, hex }]);
    });
  }

  await t.test('frames of 9000 bytes', async (t) => {
    const { bench, guest, wire } = await joined(t);
    await bench.ns.check(['sh', '-ec', 'for dev in vif1.0 up0 gw0 br0; do ip link set $dev mtu 9000; done']);
    const hex = FROM_GUEST + '5a'.repeat(9_000);
    await wire.send(guest, hex);
    assert.deepEqual(await wire.collect(), [{ iface: bench.gateway, hex }]);
    await assert.rejects(wire.send(guest, `${hex}${'00'.repeat(5)}`), { code: 'EMSGSIZE' });
  });

  await t.test('refusals carry the errno', async (t) => {
    const { bench, guest, wire } = await joined(t);
    await assert.rejects(openWire(bench.ns, ['nothing']), { code: 'ENODEV' });
    await assert.rejects(wire.send('nothing', FROM_GUEST), { code: 'ENODEV' });
    await assert.rejects(wire.send(guest, '0g'), { code: 'EINVAL' });
    await bench.ns.check(['ip', 'link', 'set', guest, 'down']);
    await assert.rejects(wire.send(guest, FROM_GUEST), { code: 'ENETDOWN' });
    await wire.exit();
    await assert.rejects(wire.collect(), WireError);
  });

  await t.test('goes on after a link was down, and after open on an interface made again', async (t) => {
    const { bench, guest, wire } = await joined(t);
    const join = 'ip link set vif1.0 master br0 up';
    await bench.ns.check(['sh', '-ec', `ip link set vif1.0 down; ${join}`]);
    await waitForForwarding(bench.ns, 'vif1.0');
    await wire.send(guest, FROM_GUEST);
    assert.equal((await wire.collect()).length, 1);

    await bench.removeVif('vif1.0');
    await bench.addVif('vif1.0');
    await bench.ns.check(['sh', '-ec', join]);
    await waitForForwarding(bench.ns, 'vif1.0');
    await wire.open(guest);
    await wire.send(bench.gateway, FROM_GUEST);
    assert.deepEqual(await wire.collect(), [{ iface: guest, hex: FROM_GUEST }]);
    await wire.close(guest);
    await wire.send(bench.gateway, FROM_GUEST);
    assert.deepEqual(await wire.collect(), []);
  });

  await t.test('streams and counts, and only what is equal', async (t) => {
    const { bench, guest, wire } = await joined(t);
    const same = await wire.count(bench.gateway, FROM_GUEST);
    const other = await wire.count(bench.gateway, `${FROM_GUEST}00`);
    const began = performance.now();
    const paced = await wire.stream(guest, FROM_GUEST, 500);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { sent, errors } = await paced.stop();
    // Never faster; how much slower is the machine's affair.
    const most = 0.5 * (performance.now() - began) + 50;
    assert.ok(sent > 50 && sent <= most, `${sent} of about 500, at most ${most}`);
    assert.deepEqual(
      [errors, await same.stop(), await other.stop()],
      [0, { received: sent, dropped: 0 }, { received: 0, dropped: 0 }],
    );
    await wire.collect();

    await wire.close(bench.gateway);
    const flooded = await wire.count(bench.gateway, FROM_GUEST);
    const flood = await wire.stream(guest, FROM_GUEST);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const all = await flood.stop();
    const { received, dropped } = await flooded.stop();
    assert.ok(all.sent > 200, `${all.sent} frames in 200 ms`);
    assert.equal(received + dropped, all.sent);
  });
});

test('xenstored with the genuine tools', {
  skip: existsSync('/usr/bin/xenstore-read') ? false : 'needs xenstore-utils',
}, async (t) => {
  const tool = (store: Xenstored, argv: string[], timeoutMs = 5_000): Promise<RunResult> =>
    runProgram(argv, { env: { ...PLAIN_ENV, XENSTORED_PATH: store.socket }, timeoutMs });

  await t.test('xenstore-read', async (t) => {
    const store = await xenstored(t);
    store.load(vifBackend({ domid: 1, script: '/script', ip: '10.0.0.10' }));
    const some = await tool(store, [
      'xenstore-read',
      'backend/vif/1/0/ip',
      'backend/vif/1/0/hotplug-status',
      'nothing',
      'domid',
    ]);
    assert.deepEqual([some.status, some.stdout], [1, '10.0.0.10\n\n']);
    assert.match(some.stderr, /couldn't read path nothing/);
    assert.equal(
      (await tool(store, ['xenstore-read', frontendPath(1, 0).concat('/backend')])).stdout,
      `${backendPath(1)}\n`,
    );
  });

  await t.test('xenstore-write, byte by byte, and its place in the log', async (t) => {
    const store = await xenstored(t);
    assert.equal((await tool(store, ['xenstore-write', 'a/b/c', 'first', 'a/b/d', 'x\\n\\xff\\x00'])).status, 0);
    assert.deepEqual(
      [store.read('a/b/c'), store.readBytes('/local/domain/0/a/b/d')?.toString('hex')],
      ['first', '780aff00'],
    );
    assert.equal(store.read('a/b'), '');
    const writes = store.log.filter(({ op }) => op === 'WRITE');
    assert.deepEqual(
      writes.map(({ path }) => path),
      ['a/b/c', 'a/b/d'],
    );
    assert.ok(writes.every(({ transaction }) => transaction > 0));
    assert.equal(writes[0]?.value, 'first');
    assert.ok((writes[0]?.at ?? 0) <= (writes[1]?.at ?? 0));
    // A dot is no letter of a node name.
    assert.equal((await tool(store, ['xenstore-write', 'vif1.0/x', '1'])).status, 1);
  });

  await t.test('lists more children than one message holds, in parts', async (t) => {
    const store = await xenstored(t);
    const names = Array.from({ length: 4000 }, (_, index) => String(index + 1));
    for (const name of names) store.write(`backend/vif/${name}`, '');
    const listed = (await tool(store, ['xenstore-list', 'backend/vif'])).stdout.trim().split('\n');
    assert.deepEqual(listed.sort(), names.sort());
  });

  await t.test('xenstore-exists, -list, -ls, -rm', async (t) => {
    const store = await xenstored(t, 5);
    store.load({ 'a/b': '1', 'a/c': '', 'a/c/d': '"' });
    assert.deepEqual(store.list('/local/domain/5/a'), ['b', 'c']);
    assert.equal((await tool(store, ['xenstore-exists', 'a/b'])).status, 0);
    assert.equal((await tool(store, ['xenstore-exists', 'a/x'])).status, 1);
    assert.equal((await tool(store, ['xenstore-list', 'a'])).stdout, 'b\nc\n');
    assert.equal((await tool(store, ['xenstore-list', 'x'])).status, 1);
    const ls = await tool(store, ['xenstore-ls', '-f', '/local']);
    assert.match(ls.stdout, /^\/local\/domain\/5\/a\/b = "1"$/m);
    assert.deepEqual(store.dump('a'), { '/local/domain/5/a/b': '1', '/local/domain/5/a/c/d': '"' });
    assert.equal((await tool(store, ['xenstore-rm', 'a'])).status, 0);
    assert.equal((await tool(store, ['xenstore-rm', 'a'])).status, 0);
    assert.equal((await tool(store, ['xenstore-rm', 'x/y'])).status, 1);
    assert.equal(store.list('a'), undefined);
  });

  await t.test('xenstore-watch sees changes of the node, below it, and of what is removed above it', async (t) => {
    const store = await xenstored(t);
    const watching = tool(store, ['xenstore-watch', '-n', '4', 'a/b']);
    while (!store.log.some(({ op }) => op === 'WATCH')) await new Promise((resolve) => setTimeout(resolve, 5));
    store.write('a/b', '1');
    store.write('a/bb', 'not this one');
    store.write('a/b/c', '2');
    store.remove('a');
    assert.equal((await watching).stdout, 'a/b\na/b\na/b/c\na/b\n');
  });

  await t.test('hangs and recovers', async (t) => {
    const store = await xenstored(t);
    store.hang(true);
    assert.equal((await tool(store, ['xenstore-read', 'domid'], 300)).timedOut, true);
    const late = tool(store, ['xenstore-read', 'domid']);
    setTimeout(() => store.hang(false), 100);
    assert.equal((await late).stdout, '0\n');
  });

  await t.test('is not there any more after stop', async () => {
    const store = await startXenstored();
    await store.stop();
    assert.match((await tool(store, ['xenstore-read', 'domid'])).stderr, /xs_open: No such file or directory/);
  });
});

test('the keys of a vif', () => {
  const keys = vifBackend({
    domid: 7,
    devid: 2,
    backendDomid: 5,
    script: '/s',
    mtu: 1500,
    vifname: 'web0',
    extra: { online: '0' },
  });
  const at = backendPath(7, 2, 5);
  assert.equal(at, '/local/domain/5/backend/vif/7/2');
  assert.equal(keys[`${at}/frontend`], frontendPath(7, 2));
  assert.equal(keys[`${frontendPath(7, 2)}/backend`], at);
  assert.equal(keys['/local/domain/7/name'], 'guest7');
  assert.deepEqual([keys[`${at}/mtu`], keys[`${at}/ip`], keys[`${at}/online`]], [undefined, undefined, '0']);
  assert.equal(vifBackend({ domid: 7, script: '/s', mtu: 9000 })[`${backendPath(7)}/mtu`], '9000');
});

test('the genuine xl', { skip: skip ?? false }, async (t) => {
  const missing = await fetchXl().then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (missing) {
    console.log(`skipped: ${missing}`);
    return t.skip(missing);
  }
  const CONNECT = '[ "$1" != online ] || xenstore-write "$XENBUS_PATH/hotplug-status" connected';
  const xlOf = async (t: TestContext, store: Xenstored, options: { scriptDir?: string } = {}): Promise<XlDevd> => {
    const xl = await startXlDevd({ ns: await namespace(t), xenstored: store, ...options });
    t.after(() => xl.stop());
    return xl;
  };

  for (const domid of [0, 5]) {
    await t.test(`as domain ${domid}: four runs in order for vif_ioemu, with libxl's environment`, async (t) => {
      const store = await xenstored(t, domid);
      const xl = await xlOf(t, store);
      const probe = script(t, CONNECT);
      await xl.attach({ domid: 1, devid: 2, script: probe.path, type: 'vif_ioemu' });
      assert.deepEqual(await xl.waitForHotplug(1, 2), { succeeded: true, status: 'connected', error: undefined });
      assert.deepEqual(probe.calls(), ['online type_if=vif', 'add type_if=tap']);
      await xl.detach(1, 2);
      assert.deepEqual(probe.calls().slice(2), ['offline type_if=vif', 'remove type_if=tap']);
      assert.equal(store.read(backendPath(1, 2, domid)), undefined);
      for (const line of [
        'XENBUS_PATH=backend/vif/1/2',
        'XENBUS_TYPE=vif',
        'vif=vif1.2',
        'INTERFACE=vif1.2-emu',
        'netdev=',
      ]) {
        assert.ok(probe.log().includes(`\n${line}\n`), line);
      }
      assert.doesNotMatch(probe.log(), /LD_(LIBRARY_PATH|PRELOAD)/);
    });
  }

  await t.test('two runs for a PV vif, and again after it was removed', async (t) => {
    const xl = await xlOf(t, await xenstored(t));
    const probe = script(t, CONNECT);
    for (let round = 0; round < 2; round++) {
      await xl.attach({ domid: 1, script: probe.path });
      assert.equal((await xl.waitForHotplug(1)).succeeded, true);
      await xl.detach(1);
    }
    assert.deepEqual(probe.calls(), Array(2).fill(['online type_if=vif', 'offline type_if=vif']).flat());
    assert.doesNotMatch(probe.log(), /INTERFACE=/);
  });

  await t.test('exit status 1 and hotplug-error are what the admin sees', async (t) => {
    const xl = await xlOf(t, await xenstored(t));
    const failing = script(
      t,
      'xenstore-write "$XENBUS_PATH/hotplug-error" "no bridge xenbr0" "$XENBUS_PATH/hotplug-status" error; exit 1',
    );
    await xl.attach({ domid: 1, script: failing.path, type: 'vif_ioemu' });
    assert.deepEqual(await xl.waitForHotplug(1), { succeeded: false, status: 'error', error: 'no bridge xenbr0' });
    assert.match(xl.log(), /script online \[\d+\] exited with error status 1/);
    assert.match(xl.log(), /script: no bridge xenbr0/);
    await xl.detach(1);
    assert.deepEqual(failing.calls(), ['online type_if=vif', 'offline type_if=vif', 'remove type_if=tap']);
  });

  await t.test('ten vifs at once', async (t) => {
    const xl = await xlOf(t, await xenstored(t));
    // None ends before all have begun.
    const begun = join(folder(t), 'begun');
    const all = 'until [ "$(wc -l <"$begun")" -ge 10 ]; do sleep 0.05; done';
    const probe = script(t, `[ "$1" = online ] && { begun=${begun}; echo >>"$begun"; ${all}; }; ${CONNECT}`);
    const domids = Array.from({ length: 10 }, (_, n) => n + 1);
    await Promise.all(domids.map((domid) => xl.attach({ domid, script: probe.path })));
    const outcomes = await Promise.all(domids.map((domid) => xl.waitForHotplug(domid)));
    assert.ok(outcomes.every(({ succeeded }) => succeeded));
    await Promise.all(domids.map((domid) => xl.detach(domid)));
  });

  await t.test('has the given folder at /etc/xen/scripts, and the host does not', async (t) => {
    const dir = folder(t);
    mkdirSync(join(dir, 'vif-post.d'));
    writeFileSync(join(dir, 'mark'), 'of the bench\n');
    const xl = await xlOf(t, await xenstored(t), { scriptDir: dir });
    const probe = script(t, `cat /etc/xen/scripts/mark; ${CONNECT}`);
    await xl.attach({ domid: 1, script: probe.path });
    await xl.waitForHotplug(1);
    assert.match(xl.log(), /of the bench/);
    assert.equal(existsSync('/etc/xen/scripts/mark'), false);
  });

  await t.test("drives Debian's own vif-bridge on the bench", async (t) => {
    const before = hostLog();
    const store = await xenstored(t);
    const bench = await buildBench(await namespace(t));
    const stock = await stockScripts();
    t.after(() => stock.remove());
    const hooked = join(stock.dir, 'vif-post.d');
    mkdirSync(hooked);
    writeFileSync(
      join(hooked, '00-test.hook'),
      'log debug "hook: $command $dev $bridge $(xenstore_read "$XENBUS_PATH/ip")"\necho "stderr of $command" >&2\n',
      { mode: 0o755 },
    );
    const xl = await startXlDevd({ ns: bench.ns, xenstored: store });
    t.after(() => xl.stop());
    for (const vif of ['vif1.0', 'vif1.0-emu']) await bench.addVif(vif);
    const port = async (dev: string) => bench.ns.check(['ip', '-o', 'link', 'show', dev]);

    await xl.attach({
      domid: 1,
      script: stock.vifBridge,
      bridge: 'br0',
      ip: '10.0.0.10',
      type: 'vif_ioemu',
      mtu: 1400,
    });
    assert.deepEqual(await xl.waitForHotplug(1), { succeeded: true, status: 'connected', error: undefined }, xl.log());
    for (const dev of ['vif1.0', 'vif1.0-emu']) assert.match(await port(dev), /,UP.* mtu 1400 .*master br0/);
    assert.equal(store.read(`${frontendPath(1)}/mtu`), '1400');
    const writes = store.log.filter(({ op, path }) => op === 'WRITE' && !path.endsWith('state'));
    assert.deepEqual(
      writes.map(({ path }) => path),
      [`${frontendPath(1)}/mtu`, 'backend/vif/1/0/hotplug-status'],
    );
    assert.match(stock.syslog(), /hook: online vif1\.0 br0 10\.0\.0\.10/);
    assert.match(stock.syslog(), /daemon\.debug .*vif-bridge: Successful vif-bridge online for vif1\.0, bridge br0/);

    await xl.detach(1);
    for (const dev of ['vif1.0', 'vif1.0-emu']) assert.doesNotMatch(await port(dev), /master|,UP/);

    await xl.attach({ domid: 2, script: stock.vifBridge, bridge: 'nobridge' });
    assert.deepEqual(await xl.waitForHotplug(2), {
      succeeded: false,
      status: 'error',
      error: 'Could not find bridge device nobridge',
    });
    for (const command of ['online', 'add', 'offline', 'remove'])
      assert.match(stock.hotplugLog(), new RegExp(`stderr of ${command}`));
    assert.equal(hostLog(), before, "the host's own log was written to");
  });
});

/** What stock scripts have written on this host itself, which may be a dom0 in use. */
function hostLog(): string | undefined {
  const file = '/var/log/xen/xen-hotplug.log';
  return existsSync(file) ? readFileSync(file, 'latin1') : undefined;
}
