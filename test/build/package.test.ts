/** The Debian packages: the same sources make the same file, and it holds what it says, and nothing of Xen's. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { bundledPackages } from '../../src/build/notices.ts';
import { makePackage, programVersion } from '../../src/build/package.ts';
import { sbomText } from '../../src/build/sbom.ts';

const has = (program: string): string | false =>
  spawnSync(program, ['--version']).error === undefined ? false : `needs ${program}`;

test('the small package', { skip: has('dpkg-deb') }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-deb-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const epoch = 1_700_000_000;
  const file = makePackage('node', folder, { epoch });
  const asked = (...argv: string[]): string => execFileSync('dpkg-deb', argv, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const files = asked('-c', file).split('\n').filter(Boolean);
  const paths = files.map((line) => line.split(/\s+/).slice(5).join(' '));

  await t.test('is the same file when it is made again', () => {
    const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
    assert.equal(hash(makePackage('node', join(folder, 'again'), { epoch })), hash(file));
  });

  await t.test('is named by its version, and needs a Node that runs it', () => {
    assert.ok(file.endsWith(`/xen-vif-bridge-node_${programVersion()}_all.deb`));
    assert.match(asked('-f', file, 'Depends'), /^nodejs \(>= 20\.17\), .*nftables \(>= 1\.0\.6\)/);
    assert.equal(asked('-f', file, 'Conflicts').trim(), 'xen-vif-bridge');
  });

  await t.test('has short names beside the scripts of Xen, and none of theirs', () => {
    const scripts = paths.filter((path) => /^\.\/etc\/xen\/scripts\/./.test(path));
    assert.ok(scripts.length > 0);
    for (const script of scripts) assert.match(script, /-locked -> \/usr\/lib\/xen-vif-bridge\/xen-scripts\/vif-\w+$/);
    const configuration = paths.filter((path) => /^\.\/etc\/.*[^/]$/.test(path) && !scripts.includes(path));
    assert.deepEqual(configuration, ['./etc/xen/vif-bridge.ini']);
    assert.equal(asked('--ctrl-tarfile', file).includes('/etc/xen/vif-bridge.ini\n'), true);
  });

  await t.test('has manual pages, completions and units, whose paths are those of the package', () => {
    for (const path of [
      'man/man8/vif-bridge.8.gz',
      'man/man5/vif-bridge.ini.5.gz',
      'bash-completion/completions/vif-bridge',
      'zsh/vendor-completions/_vif-bridge',
      'fish/vendor_completions.d/vif-bridge.fish',
    ]) {
      assert.ok(paths.includes(`./usr/share/${path}`), path);
    }
    const unit = './usr/lib/systemd/system/vif-bridge-repair.service';
    const tar = execFileSync('dpkg-deb', ['--fsys-tarfile', file], { maxBuffer: 2 ** 28 });
    const text = execFileSync('tar', ['-xO', unit], { input: tar, encoding: 'utf8' });
    assert.match(text, /^ExecStart=\/usr\/lib\/xen-vif-bridge\/xen-scripts\/vif-bridge repair$/m);
    assert.ok(!text.includes('/opt/'));
  });

  await t.test('says the licence of everything in the bundle', () => {
    const tar = execFileSync('dpkg-deb', ['--fsys-tarfile', file], { maxBuffer: 2 ** 28 });
    const copyright = execFileSync('tar', ['-xO', './usr/share/doc/xen-vif-bridge-node/copyright'], {
      input: tar,
      encoding: 'utf8',
    });
    const bundled = bundledPackages();
    assert.ok(bundled.some(({ name }) => name === 'execa'));
    for (const { name, version, license } of bundled)
      assert.ok(copyright.includes(`${name} ${version} (${license})`), name);
    for (const { text, name } of bundled) assert.ok(text !== undefined && text.length > 0, `${name} says no author`);
  });

  await t.test('has an SBOM that names everything in the bundle, and nothing else', () => {
    const tar = execFileSync('dpkg-deb', ['--fsys-tarfile', file], { maxBuffer: 2 ** 28 });
    const text = execFileSync('tar', ['-xO', './usr/share/doc/xen-vif-bridge-node/sbom.cdx.json'], { input: tar });
    const bom = JSON.parse(text.toString()) as {
      bomFormat: string;
      components: { name: string; version: string; purl: string; licenses: unknown[] }[];
    };
    assert.equal(bom.bomFormat, 'CycloneDX');
    const named = (list: readonly { name: string; version: string }[]) =>
      list.map((one) => `${one.name} ${one.version}`);
    assert.deepEqual(named(bom.components).sort(), named(bundledPackages()).sort());
    for (const one of bom.components) {
      assert.match(one.purl, /^pkg:npm\//);
      assert.ok(one.licenses.length > 0, one.name);
    }
    const whole = JSON.parse(sbomText(bundledPackages(), 'standalone', 0)) as typeof bom;
    assert.ok(
      whole.components.some(({ name }) => name.startsWith('@oven/bun-linux-')),
      'and the runtime',
    );
  });

  await t.test('lintian has nothing to say', { skip: has('lintian') }, () => {
    const said = spawnSync('lintian', ['--allow-root', '--fail-on', 'error,warning', file], { encoding: 'utf8' });
    assert.equal(said.stdout, '');
    assert.equal(said.status, 0, said.stderr);
  });
});
