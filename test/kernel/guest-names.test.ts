/** A guest's name wherever a port's name is taken, and what `status` says in its other forms. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { obstacle, openDom0, type Port } from './dom0.ts';
import { frame, G, ip4, TYPE, udp } from './frames.ts';

const skip = obstacle();

test('guests by name', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start({ domid: 1, name: 'web1', mac: '00:16:3e:00:00:01', ip: '10.0.0.11' });
  await dom0.start({ domid: 2, devid: 0, name: 'multi', mac: '00:16:3e:00:00:02', ip: '10.0.0.2' });
  await dom0.start({ domid: 2, devid: 1, name: 'multi', mac: '00:16:3e:00:00:03', ip: '10.0.0.3' });
  const out = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await dom0.admin(args);
    assert.equal(status, 0, stderr);
    return stdout;
  };
  const names = async (...args: string[]): Promise<string[]> =>
    (JSON.parse(await out('status', '--json', ...args)) as { name: string }[]).map(({ name }) => name);

  await t.test('status', async () => {
    assert.deepEqual(await names('web1'), ['vif1.0']);
    assert.deepEqual(await names('multi'), ['vif2.0', 'vif2.1']);
    assert.deepEqual(await names('--sort', 'guest'), ['vif2.0', 'vif2.1', 'vif1.0']);
    const gone = await dom0.admin(['status', 'nobody']);
    assert.equal(gone.status, 2);
    assert.match(gone.stderr, /no port and no guest nobody/);
    // A device of the host is no port of a guest.
    assert.equal((await dom0.admin(['status', 'up0'])).status, 2);
    const wrong = await dom0.admin(['status', '--sort', 'size']);
    assert.equal(wrong.status, 2);
    // What would show nothing of it is no way to begin anew.
    for (const other of ['--watch', '--nagios']) {
      const both = await dom0.admin(['status', '--reset', other]);
      assert.deepEqual([both.status, both.stdout], [2, '']);
      assert.match(both.stderr, /'--reset' cannot be used with/);
    }
  });

  await t.test('what shows nothing of another form is no way to ask for it', async () => {
    for (const [one, other] of [
      ['--watch', '--json'],
      ['--watch', '--nagios'],
      ['--nagios', '--json'],
    ] as const) {
      const both = await dom0.admin(['status', one, other]);
      assert.deepEqual([both.status, both.stdout], [2, ''], `${one} ${other}`);
      assert.match(both.stderr, /cannot be used with/);
    }
  });

  await t.test('a guest that has no name yet, or none any more, takes it from no other one', async () => {
    await dom0.bench.addVif('vif9.0');
    dom0.store.load({ '/local/domain/9/vm': '/vm/9' });
    assert.deepEqual(await names('web1'), ['vif1.0']);
    const ports = JSON.parse(await out('status', '--json')) as { guest: { domid: number; name?: string } }[];
    assert.deepEqual(
      ports.map(({ guest: { domid, name } }) => `${domid} ${name}`),
      ['1 web1', '2 multi', '2 multi', '9 undefined'],
    );
    dom0.store.remove('/local/domain/9');
    await dom0.bench.removeVif('vif9.0');
  });

  await t.test('who is not there is not to be taken over', async () => {
    for (const args of [
      ['unlock', 'nobody', '--for', '1m'],
      ['address', 'add', 'nobody', '10.0.0.9'],
    ]) {
      const { status, stderr } = await dom0.admin(args);
      assert.equal(status, 2);
      assert.match(stderr, /there is no port and no guest nobody/);
      assert.doesNotMatch(stderr, /take it over/);
    }
  });

  await t.test('reapply, also dry', async () => {
    assert.match(await out('reapply', 'multi'), /^re-applied: vif2\.0 vif2\.1$/m);
    assert.match(await out('reapply', 'web1', 'vif1.0'), /^re-applied: vif1\.0$/m);
    assert.match(await out('reapply', '--dry-run', 'web1'), /vif1\.0/);
    assert.notEqual((await dom0.admin(['reapply', 'nobody'])).status, 0);
  });

  await t.test('policy and rules, where one vif is meant', async () => {
    assert.match(await out('policy', 'show', 'web1'), /vif1\.0|10\.0\.0\.11/);
    const several = await dom0.admin(['policy', 'show', 'multi']);
    assert.equal(several.status, 2);
    assert.match(several.stderr, /has several vifs\n.*\n.*vif2\.0 vif2\.1/);
  });

  await t.test('verify and repair', async () => {
    const { vifs } = JSON.parse(await out('verify', 'multi', '--json')) as { vifs: { name: string }[] };
    assert.deepEqual(
      vifs.map(({ name }) => name),
      ['vif2.0', 'vif2.1'],
    );
    assert.match(await out('repair', 'multi'), /^re-applied: vif2\.0 vif2\.1$/m);
    const nobody = await dom0.admin(['verify', 'nobody']);
    assert.equal(nobody.status, 2);
    assert.match(nobody.stderr, /there is no port nobody/);
  });

  await t.test('explain, of what is loaded', async () => {
    const { stdout: byGuest } = await dom0.admin(['explain', 'web1']);
    assert.doesNotMatch(byGuest, /no run of this program has configured/);
    assert.equal(byGuest, (await dom0.admin(['explain', 'vif1.0'])).stdout);
  });

  await t.test("a port's name comes first", async () => {
    await dom0.start({ domid: 3, name: 'web2', mac: '00:16:3e:00:00:04', ip: '10.0.0.4', vifname: 'web1' });
    assert.deepEqual(await names('web1'), ['web1']);
    assert.deepEqual(await names('web2'), ['web1']);
  });

  await t.test('without xenstore names of ports still do', async () => {
    const env = { XENSTORED_PATH: '/nowhere' };
    assert.equal((await dom0.admin(['status', 'vif2.0'], { env })).status, 0);
    assert.equal((await dom0.admin(['status', 'multi'], { env })).status, 2);
  });

  await t.test('counts that begin anew, of one vif', async () => {
    const spoofed = frame(G.mac, '00:16:3e:00:00:99', TYPE.ip, ip4({ src: '10.0.0.11', dst: G.ip }, udp(9, 9)));
    const wire = await dom0.openWire(['guest1.0', 'guest2.0']);
    const send = async (): Promise<void> => {
      for (const name of ['guest1.0', 'guest2.0']) await wire.send(name, spoofed);
      await wire.collect();
    };
    const dropped = async (...more: string[]): Promise<unknown> => {
      const ports = JSON.parse(await out('status', '--json', ...more)) as Port[];
      return Object.fromEntries(
        ports.map(({ device, drops }) => [device, drops.find(({ reason }) => reason === 'mac-src')?.packets ?? 0]),
      );
    };
    await send();
    await send();
    assert.deepEqual(await dropped('vif1.0', '--reset'), { 'vif1.0': 2 });
    assert.deepEqual(await dropped('vif1.0'), { 'vif1.0': 0 });
    assert.match(await out('status', 'vif1.0'), /^ {2}counted since 20\d\d-/m);
    await send();
    await wire.exit();
    assert.deepEqual(await dropped('multi'), { 'vif2.0': 3, 'vif2.1': 0 });
    assert.deepEqual(await dropped('vif1.0'), { 'vif1.0': 1 });
    // Who is told of all of it, is still.
    assert.match(await out('metrics'), /drop.*vif1\.0.*mac-src.* 3$/m);
  });

  await t.test('one line for a monitor', async () => {
    assert.match(
      await out('status', '--nagios'),
      /^VIF-BRIDGE OK - 4 of 4 ports of guests are filtered \| managed=4 open=0 damaged=0 dropped=\d+c\n$/,
    );
    await dom0.bench.addVif('vif9.0');
    const warned = await dom0.admin(['status', '--nagios']);
    assert.equal(warned.status, 1);
    assert.match(warned.stdout, /^VIF-BRIDGE WARNING - not filtered: vif9\.0 \|/);
    await dom0.ns.check(['ip', 'link', 'set', 'vif2.0', 'nomaster']);
    const critical = await dom0.admin(['status', '--nagios']);
    assert.equal(critical.status, 2);
    assert.match(critical.stdout, /^VIF-BRIDGE CRITICAL - damaged: vif2\.0 \(multi\); not filtered: vif9\.0 \|/);
    assert.equal((await dom0.admin(['status', '--nagios', 'vif1.0'])).status, 2 - 2);
    writeFileSync(join(dom0.folder, 'broken.ini'), 'nonsense\n');
    const unknown = await dom0.admin(['status', '--nagios', '--config', join(dom0.folder, 'broken.ini')]);
    assert.equal(unknown.status, 3);
    assert.match(unknown.stdout, /^VIF-BRIDGE UNKNOWN - /);
    assert.equal(unknown.stderr, '');
  });
});
