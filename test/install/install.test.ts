/** `vif-bridge install` and `uninstall`, from what `npm pack` packs, on a host that is a folder. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PROGRAM_FILES } from '../../src/install/program-files.ts';
import { withOurScript, withoutOurScript, XL_CONF_LINE } from '../../src/install/xl-conf.ts';
import { createNamespace, namespaceObstacle } from '../lab/namespace.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LINK = 'etc/xen/scripts/vif-bridge-locked';
const PREFIX = 'usr/local/lib/xen-vif-bridge';

const scratch = mkdtempSync(join(tmpdir(), 'xvb-install-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const packed = ((): string => {
  const argv = ['pack', '--silent', '--ignore-scripts', '--pack-destination', scratch];
  const name = execFileSync('npm', argv, { cwd: ROOT, encoding: 'utf8' }).trim();
  execFileSync('tar', ['-xzf', join(scratch, name), '-C', scratch]);
  return join(scratch, name);
})();
/** What a person has who unpacked it. */
const UNPACKED = join(scratch, 'package/bin/vif-bridge');

let count = 0;
/** A host with Xen's files. */
function newHost(files: Readonly<Record<string, string>> = {}): string {
  count += 1;
  const root = join(scratch, `host${count}`);
  const all = { 'etc/xen/scripts/vif-bridge': '#!/bin/sh\n# stock\n', 'etc/xen/xl.conf': '# xl\n', ...files };
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  return root;
}

function run(program: string, ...argv: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(program, argv, { encoding: 'utf8', env: { PATH: process.env.PATH ?? '' } });
}

function works(program: string, ...argv: string[]): string {
  const { status, stdout, stderr } = run(program, ...argv);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Every file with its text, every link with where it leads. */
function tree(root: string): Record<string, string> {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory());
  const found = entries.map((entry): [string, string] => {
    const path = join(entry.parentPath, entry.name);
    return [
      path.slice(root.length + 1),
      entry.isSymbolicLink() ? `-> ${readlinkSync(path)}` : readFileSync(path, 'latin1'),
    ];
  });
  return Object.fromEntries(found.sort(([a], [b]) => a.localeCompare(b)));
}

test('a dry run says what would be done, and changes nothing', () => {
  const root = newHost();
  const before = tree(root);
  const said = works(UNPACKED, 'install', '--dry-run', '--root', root);
  assert.match(said, /^this would be done; nothing is changed:$/m);
  assert.match(said, /^link {4}\/etc\/xen\/scripts\/vif-bridge-locked /m);
  assert.deepEqual(tree(root), before);
});

test('install, again, uninstall, again: nothing of Xen changes, and nothing is left', () => {
  const root = newHost();
  const before = tree(root);
  const said = works(UNPACKED, 'install', '--root', root);
  assert.ok(said.includes(`  ${XL_CONF_LINE}\n`), 'the exact line for xl.conf');
  assert.equal(readlinkSync(join(root, LINK)), `/${PREFIX}/xen-scripts/vif-bridge`);
  assert.ok(!readFileSync(join(root, 'etc/systemd/system/vif-bridge-repair.service'), 'utf8').includes('/opt/'));
  const installed = tree(root);
  assert.deepEqual(Object.fromEntries(Object.entries(installed).filter(([path]) => path in before)), before);
  // All parts of the program: without the one for what Xen runs, each start read all that people run.
  assert.deepEqual(readdirSync(join(root, PREFIX, 'dist')).sort(), [...PROGRAM_FILES.node].sort());
  // It runs where it is now, without what it was unpacked from.
  assert.match(works(join(root, PREFIX, 'bin/vif-bridge'), '--version'), /^\d+\.\d+\.\d+ \(/);

  for (const program of [UNPACKED, join(root, PREFIX, 'bin/vif-bridge')]) {
    assert.match(works(program, 'install', '--root', root), /^nothing to do/);
    assert.deepEqual(tree(root), installed);
  }

  works(join(root, PREFIX, 'bin/vif-bridge'), 'uninstall', '--root', root);
  assert.deepEqual(tree(root), before);
  assert.match(works(UNPACKED, 'uninstall', '--root', root), /^nothing is installed/);
});

test('a newer version in place of an older one: what that had and this has not is gone, what an admin wrote stays', () => {
  const root = newHost();
  works(UNPACKED, 'install', '--root', root);
  writeFileSync(join(root, PREFIX, 'dist/old-part.cjs'), '');
  writeFileSync(join(root, 'etc/systemd/system/old.timer'), '');
  const manifest = join(root, PREFIX, 'installed.json');
  const { format, placed } = JSON.parse(readFileSync(manifest, 'utf8')) as { format: number; placed: string[] };
  writeFileSync(manifest, JSON.stringify({ format, placed: [...placed, '/etc/systemd/system/old.timer'] }));
  writeFileSync(join(root, 'etc/xen/vif-bridge.ini'), '[defaults]\nmode = observe\n');
  works(UNPACKED, 'install', '--root', root);
  assert.ok(!existsSync(join(root, PREFIX, 'dist/old-part.cjs')));
  assert.ok(!existsSync(join(root, 'etc/systemd/system/old.timer')));
  const said = works(UNPACKED, 'uninstall', '--root', root);
  assert.match(said, /^keep {4}\/etc\/xen\/vif-bridge\.ini/m);
  assert.equal(readFileSync(join(root, 'etc/xen/vif-bridge.ini'), 'utf8'), '[defaults]\nmode = observe\n');
  assert.ok(!existsSync(join(root, PREFIX)));
});

test('a unit that was enabled is not left enabled', () => {
  const root = newHost();
  works(UNPACKED, 'install', '--root', root);
  const wants = join(root, 'etc/systemd/system/timers.target.wants');
  mkdirSync(wants);
  symlinkSync('/etc/systemd/system/vif-bridge-check.timer', join(wants, 'vif-bridge-check.timer'));
  symlinkSync('/usr/lib/systemd/system/apt-daily.timer', join(wants, 'apt-daily.timer'));
  works(UNPACKED, 'uninstall', '--root', root);
  assert.deepEqual(readdirSync(wants), ['apt-daily.timer']);
});

const TAKEN: Readonly<Record<string, string>> = {
  'etc/xen/scripts/vif-bridge-locked': '#!/bin/sh\n# of somebody else\n',
  'usr/local/sbin/vif-bridge': 'of somebody else\n',
  'etc/systemd/system/vif-bridge-repair.service': '[Unit]\n',
};
for (const [file, text] of Object.entries(TAKEN)) {
  test(`/${file} of somebody else: an error that names it, and nothing is changed`, () => {
    const root = newHost({ [file]: text });
    const before = tree(root);
    const { status, stderr } = run(UNPACKED, 'install', '--root', root);
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`^error: /${file} is there already`));
    assert.deepEqual(tree(root), before);
  });
}

test('paths that are not absolute, and an installation of another format, are refused', () => {
  const root = newHost();
  for (const option of [
    ['--prefix', 'opt/x'],
    ['--prefix', '/opt/../x'],
    ['--root', '.'],
  ]) {
    const { status, stderr } = run(UNPACKED, 'install', '--root', root, ...option);
    assert.equal(status, 1);
    assert.match(stderr, /is no absolute path/);
  }
  works(UNPACKED, 'install', '--root', root);
  writeFileSync(join(root, PREFIX, 'installed.json'), '{"format":2,"placed":[]}');
  const before = tree(root);
  for (const command of ['install', 'uninstall']) {
    const { status, stderr } = run(UNPACKED, command, '--root', root);
    assert.equal(status, 1);
    assert.match(stderr, /format 2 is of another version/);
  }
  assert.deepEqual(tree(root), before);
});

const XL_CONFS: Readonly<Record<string, string>> = {
  'without a script': '# xl\nautoballoon="off"\n',
  'with the script of somebody': 'vif.default.script="vif-openvswitch"\n#vif.default.script="x"\nautoballoon=1\n',
  'without an end of line': 'autoballoon=1',
  empty: '',
};
for (const [what, text] of Object.entries(XL_CONFS)) {
  test(`xl.conf ${what}: --xl-conf writes one line, keeps a copy, and uninstall puts back what was there`, () => {
    const root = newHost({ 'etc/xen/xl.conf': text });
    const before = tree(root);
    works(UNPACKED, 'install', '--xl-conf', '--root', root);
    const written = readFileSync(join(root, 'etc/xen/xl.conf'), 'utf8');
    const inForce = written.split('\n').filter((line) => /^\s*vif\.default\.script/.test(line));
    assert.deepEqual(inForce, [XL_CONF_LINE]);
    assert.equal(readFileSync(join(root, 'etc/xen/xl.conf.before-xen-vif-bridge'), 'utf8'), text);
    assert.match(works(UNPACKED, 'install', '--xl-conf', '--root', root), /^nothing to do/);
    works(UNPACKED, 'uninstall', '--root', root);
    assert.deepEqual(tree(root), before);
  });
}

test('what an admin writes into xl.conf after the installation stays', () => {
  const text = 'vif.default.script="vif-mine"\n';
  const later = `${withOurScript(text)}autoballoon="off"\n`;
  assert.equal(withoutOurScript(later), `${text}autoballoon="off"\n`);
  assert.equal(withOurScript(withOurScript(text)), withOurScript(text));
});

test('npm installs it without the registry and without development packages', () => {
  const prefix = join(scratch, 'npm');
  const argv = ['install', '--offline', '--omit=dev', '--no-audit', '--no-fund', '-g', '--prefix', prefix, packed];
  const env = { ...process.env, npm_config_cache: join(scratch, 'cache'), npm_config_registry: 'http://127.0.0.1:9/' };
  const done = spawnSync('npm', argv, { encoding: 'utf8', env });
  assert.equal(done.status, 0, done.stderr);
  assert.match(works(join(prefix, 'bin/vif-bridge'), '--version'), /^\d/);
});

test('uninstall while a guest runs', { skip: namespaceObstacle() }, async (t) => {
  const ns = await createNamespace('uninstall');
  t.after(() => ns.remove());
  const root = newHost();
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', VIF_BRIDGE_STATE_DIR: join(root, 'state') };
  works(UNPACKED, 'install', '--root', root);
  await ns.check(['ip', 'link', 'add', 'xenbr0', 'type', 'bridge']);
  await ns.check(['ip', 'link', 'add', 'vif1.0', 'type', 'veth', 'peer', 'name', 'guest']);
  const guest = { ...env, vif: 'vif1.0', bridge: 'xenbr0', mac: '00:16:3e:00:00:01', ip: '192.0.2.10' };
  await ns.check([join(root, PREFIX, 'xen-scripts/vif-bridge'), 'online'], { env: guest });
  const rules = await ns.check(['nft', 'list', 'ruleset']);
  const said = await ns.check([UNPACKED, 'uninstall', '--root', root], { env });
  assert.match(said, /^vif1\.0: filtered until the guest ends$/m);
  assert.equal(await ns.check(['nft', 'list', 'ruleset']), rules);
  const refused = await ns.run([join(root, LINK), 'online'], { env: guest });
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /not installed any more/);
  await ns.check([join(root, LINK), 'offline'], { env: guest });
  assert.equal(await ns.check(['nft', 'list', 'ruleset']), '');
  assert.ok(!existsSync(join(root, LINK)), 'the last guest takes it');
});
