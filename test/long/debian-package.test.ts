/**
 * The Debian packages in the releases they are for: installed, upgraded, removed and purged, with and without guests
 * that run meanwhile.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Form, makePackage, programVersion } from '../../src/build/package.ts';
import { ROOT } from '../../src/build/source.ts';
import { type DebianRoot, debianRoot, type Suite } from '../lab/debian-root.ts';
import { createNamespace, namespaceObstacle } from '../lab/namespace.ts';

const LINK = '/etc/xen/scripts/vif-bridge-locked';
const POLICY = '/etc/xen/vif-bridge.ini';
/** Files of Xen's that must stay as they are. */
const XEN = { '/etc/xen/scripts/vif-bridge': '#!/bin/sh\n# stock\n', '/etc/xen/xl.conf': '# of the host\n' };

const CASES: readonly { readonly suite: Suite; readonly form: Form }[] = [
  { suite: 'bookworm', form: 'standalone' },
  { suite: 'trixie', form: 'standalone' },
  { suite: 'trixie', form: 'node' },
];

for (const { suite, form } of CASES) {
  test(`${suite}, ${form}`, { skip: namespaceObstacle() ?? unbuilt(form) }, async (t) => {
    const ns = await createNamespace(`package ${suite}`);
    t.after(() => ns.remove());
    const root = await debianRoot(suite, ns);
    if (typeof root === 'string') return t.skip(root);
    t.after(() => root.remove());
    await ns.check(['ip', 'link', 'add', 'xenbr0', 'type', 'bridge']);
    await ns.check(['ip', 'link', 'set', 'xenbr0', 'up']);
    await scenario(t, root, form);
  });
}

function unbuilt(form: Form): string | false {
  const file = form === 'standalone' ? 'dist/vif-bridge' : 'dist/vif-bridge.cjs';
  if (spawnSync('dpkg-deb', ['--version']).error !== undefined) return 'needs dpkg-deb';
  return existsSync(join(ROOT, file)) ? false : `${file} is not built`;
}

async function scenario(t: TestContext, root: DebianRoot, form: Form): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-debs-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const bring = (version: string): string => {
    const file = makePackage(form, folder, { epoch: 1_700_000_000, version, compressed: false });
    cpSync(file, join(root.path, 'var/tmp', basename(file)));
    return join('/var/tmp', basename(file));
  };
  const now = programVersion();
  const [old, current] = [bring('0.0.1'), bring(now)];
  const name = form === 'node' ? 'xen-vif-bridge-node' : 'xen-vif-bridge';
  mkdirSync(join(root.path, 'etc/xen/scripts'), { recursive: true });
  for (const [file, text] of Object.entries(XEN)) writeFileSync(join(root.path, file), text);
  const before = await filesOf(root);
  const says = async (version: string): Promise<void> => {
    const said = await root.check(['dpkg-query', '-s', name]);
    assert.match(said, /^Status: install ok installed$/m);
    assert.ok(said.includes(`\nVersion: ${version}\n`), said);
  };
  const xenIsUntouched = (): void => {
    for (const [file, text] of Object.entries(XEN)) assert.equal(readFileSync(join(root.path, file), 'utf8'), text);
  };

  await t.test('install: the program runs, under names that are none of Xen, and no unit is enabled', async () => {
    await root.check(['dpkg', '-i', old]);
    await says('0.0.1');
    assert.equal(readlinkSync(join(root.path, LINK)), '/usr/lib/xen-vif-bridge/xen-scripts/vif-bridge');
    assert.match(await root.check(['vif-bridge', '--version']), form === 'node' ? /on Node/ : /on bun/);
    assert.match(await root.check(['vif-bridge', 'policy', 'check']), /\S/);
    assert.ok(!existsSync(join(root.path, 'etc/systemd/system/timers.target.wants/vif-bridge-check.timer')));
    xenIsUntouched();
  });

  const stays = `# an admin's\n[defaults]\nlimit_arp = 100/s\n`;
  await t.test('upgrade: the policy of an admin and the guests that run stay', async () => {
    await startGuest(root);
    writeFileSync(join(root.path, POLICY), stays);
    const rules = await root.check(['nft', 'list', 'ruleset']);
    await root.check(['dpkg', '--force-confold', '-i', current]);
    await says(now);
    assert.equal(readFileSync(join(root.path, POLICY), 'utf8'), stays);
    assert.equal(await root.check(['nft', 'list', 'ruleset']), rules);
    assert.match(await root.check(['vif-bridge', 'status']), /vif1\.0 {2}managed/);
    xenIsUntouched();
  });

  await t.test('remove while a guest runs: it stays filtered, and what Xen runs at its end is there', async () => {
    const { stderr } = await root.run(['dpkg', '-r', name]);
    assert.match(stderr, /stay filtered until they end/);
    assert.match(await root.check(['nft', 'list', 'tables']), /xen-vif/);
    const refused = await root.run([LINK, 'online'], { env: { vif: 'vif2.0' } });
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /not installed any more/);
    assert.equal(readFileSync(join(root.path, POLICY), 'utf8'), stays);
    xenIsUntouched();
  });

  await t.test('install again: the link is back, and the guest is ours again', async () => {
    await root.check(['dpkg', '-i', current]);
    assert.equal(readlinkSync(join(root.path, LINK)), '/usr/lib/xen-vif-bridge/xen-scripts/vif-bridge');
    assert.match(await root.check(['vif-bridge', 'status']), /vif1\.0 {2}managed/);
  });

  await t.test('the last guest ends after a removal: rules, state and the script go with it', async () => {
    await root.check(['dpkg', '-r', name]);
    await root.check([LINK, 'offline'], { env: { vif: 'vif1.0' } });
    assert.equal(await root.check(['nft', 'list', 'ruleset']), '');
    assert.ok(!existsSync(join(root.path, LINK)));
    assert.ok(!existsSync(join(root.path, 'run/xen-vif-bridge')));
  });

  await t.test('purge: nothing of ours is left', async () => {
    await root.check(['dpkg', '-P', name]);
    assert.deepEqual(await filesOf(root), before);
    xenIsUntouched();
  });
}

/** A guest's interface, brought online by the link that xl.conf would name. */
async function startGuest(root: DebianRoot): Promise<void> {
  await root.check(['ip', 'link', 'add', 'vif1.0', 'type', 'veth', 'peer', 'name', 'guest']);
  const env = { vif: 'vif1.0', bridge: 'xenbr0', mac: '00:16:3e:00:00:01', ip: '192.0.2.10' };
  await root.check([LINK, 'online'], { env });
  assert.match(await root.check(['nft', 'list', 'set', 'bridge', 'xen-vif', 'managed']), /\d{10}/);
}

/** All files but the package manager's own, and those that only say when something ran. */
async function filesOf(root: DebianRoot): Promise<string[]> {
  const said = await root.check(['find', '/', '-xdev', '-not', '-type', 'd']);
  return said
    .split('\n')
    .filter((file) => !/^\/(var\/(lib\/dpkg|log|cache|tmp)|proc|sys|dev)\//.test(file))
    .sort();
}
