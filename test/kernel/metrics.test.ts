/** `metrics` of a host with real ports, and the file that node_exporter reads. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { prometheus } from '../lab/prometheus.ts';
import { obstacle, openDom0 } from './dom0.ts';
import { ALL, arp, frame, TYPE } from './frames.ts';

const skip = obstacle();
const WEB = { domid: 1, name: 'web"1', mac: '00:16:3e:00:00:01', ip: '192.0.2.10' } as const;

test('metrics of a host', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: '[guest lab]\nmode = observe\n' });
  await dom0.start(WEB);
  await dom0.start({ domid: 2, name: 'lab', mac: '00:16:3e:00:00:02', ip: '192.0.2.20' });
  await dom0.bench.addVif('vif9.0');
  const wire = await dom0.openWire(['guest1.0', 'guest2.0']);
  const claim = (mac: string): string =>
    frame(ALL, mac, TYPE.arp, arp({ op: 2, sha: mac, spa: '192.0.2.1', tpa: '192.0.2.9' }));
  for (let count = 0; count < 3; count += 1) await wire.send('guest1.0', claim(WEB.mac));
  await wire.send('guest2.0', claim('00:16:3e:00:00:02'));
  const folder = join(dom0.folder, 'textfile');
  mkdirSync(folder);
  const file = join(folder, 'x.prom');

  await t.test('says what is there', async () => {
    const { status, stdout, stderr } = await dom0.admin(['metrics']);
    assert.equal(status, 0, stderr);
    for (const line of [
      'xen_vif_ports{state="managed"} 2',
      'xen_vif_ports{state="unmanaged"} 1',
      'xen_vif_open_ports{reason="observe"} 1',
      'xen_vif_drops_total{vif="vif1.0",guest="web\\"1",direction="from-guest",reason="arp-spa"} 3',
      'xen_vif_observed_drops_total{vif="vif2.0",guest="lab",direction="from-guest",reason="arp-spa"} 1',
      'xen_vif_set_elements{set="drops"} 2',
      'xen_vif_set_capacity{set="drops"} 1000000',
    ]) {
      assert.ok(stdout.split('\n').includes(line), `${line} is not in\n${stdout}`);
    }
    assert.match(
      stdout,
      /^xen_vif_address_info\{mac="00:16:3e:00:00:01",address="192.0.2.10",guest="web\\"1",vif="vif1.0",host="[^"]+"\} 1$/m,
    );
    assert.match(stdout, /^xen_vif_bridge_build_info\{version="[^"]+",backend="nftables"\} 1$/m);
    assert.ok(stdout.endsWith('\n# EOF\n'));
    const tools = await prometheus();
    if (typeof tools === 'string') return;
    const checked = await tools.promtool(['check', 'metrics'], stdout);
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  });

  await t.test('a file is replaced in one step, readable for all, and nothing else is left', async () => {
    writeFileSync(file, 'old');
    const before = statSync(file).ino;
    const { status, stdout, stderr } = await dom0.admin(['metrics', '--output', file]);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, '');
    assert.match(readFileSync(file, 'utf8'), /# EOF\n$/);
    assert.notEqual(statSync(file).ino, before);
    assert.equal(statSync(file).mode & 0o777, 0o644);
    assert.deepEqual(readdirSync(folder), ['x.prom']);
  });

  await t.test('a link in the place of the file is replaced, not followed', async () => {
    writeFileSync(join(dom0.folder, 'precious'), 'mine');
    symlinkSync(join(dom0.folder, 'precious'), join(folder, 'link.prom'));
    assert.equal((await dom0.admin(['metrics', '--output', join(folder, 'link.prom')])).status, 0);
    assert.equal(readFileSync(join(dom0.folder, 'precious'), 'utf8'), 'mine');
  });

  await t.test('a port that somebody has changed is damaged', async () => {
    await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'nomaster']);
    const { stdout } = await dom0.admin(['metrics']);
    assert.match(stdout, /^xen_vif_ports\{state="damaged"\} 1$/m);
  });

  await t.test('what cannot be found out or written ends with 2, and changes nothing', async () => {
    const before = readFileSync(file, 'utf8');
    const broken = join(dom0.folder, 'broken.ini');
    writeFileSync(broken, 'nonsense\n');
    const failed = await dom0.admin(['metrics', '--output', file, '--config', broken]);
    assert.equal(failed.status, 2);
    assert.match(failed.stderr, /^error: /);
    assert.equal(readFileSync(file, 'utf8'), before);
    const nowhere = await dom0.admin(['metrics', '--output', join(folder, 'no/such/x.prom')]);
    assert.equal(nowhere.status, 2);
    assert.match(nowhere.stderr, /cannot write/);
    assert.equal((await dom0.admin(['metrics', '--output', folder])).status, 2);
  });
});
