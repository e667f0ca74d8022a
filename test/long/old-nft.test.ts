/**
 * A host with an nft that cannot write our rules (Debian 11 has 0.9.8, which knows no raw bits in a set of several
 * parts): `backend = auto` takes ebtables and says why, and who names nftables is told.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { type Dom0, obstacle, openDom0, PROGRAM } from '../kernel/dom0.ts';
import { A, frame, G, ip4, TYPE, udp, V } from '../kernel/frames.ts';
import { installReleaseNft } from '../lab/nft-release.ts';

const GUEST = { domid: 1, mac: A.mac, ip: A.ip };
const skip = obstacle();

test('nft of Debian 11', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  const folder = join(dom0.folder, 'bullseye');
  mkdirSync(folder);
  const missing = await installReleaseNft(folder, 'bullseye');
  if (missing !== undefined) return t.skip(missing);
  const PATH = `${folder}:${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`;
  const options = { env: { PATH }, program: PROGRAM };

  await t.test('named: the error says what nft said, and the guest gets no link', async () => {
    setPolicy(dom0, '[defaults]\nbackend = nftables\n');
    dom0.configure(GUEST);
    await dom0.bench.addVif('vif1.0');
    const { status } = await dom0.hotplug('online', GUEST, options);
    const link = await dom0.link('vif1.0');
    await dom0.bench.removeVif('vif1.0');
    assert.equal(status, 1);
    // It opens /dev/stdin, which cannot be opened where it is a socket (ENXIO), as what Node makes is.
    assert.match(dom0.key(1, 'hotplug-error') ?? '', /^nft -f - failed .*(variable sized data types|\/dev\/stdin)/);
    assert.equal(link?.flags.includes('UP'), false);
  });

  await t.test('auto: ebtables filters in its place', async () => {
    setPolicy(dom0, '');
    await dom0.start(GUEST, options);
    const base = JSON.parse(readFileSync(join(dom0.state, 'base.json'), 'utf8')) as { backend: string; auto: boolean };
    assert.deepEqual([base.backend, base.auto], ['ebtables', true]);
    const own = frame(G.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip }, udp(9, 9)));
    const spoofed = frame(G.mac, A.mac, TYPE.ip, ip4({ src: V.ip, dst: G.ip }, udp(9, 9)));
    const wire = await dom0.openWire(['guest1.0', 'gw0']);
    await wire.send('gw0', `${'ff'.repeat(6)}${G.mac.replaceAll(':', '')}88b5`);
    await wire.collect();
    await wire.send('guest1.0', own);
    await wire.send('guest1.0', spoofed);
    const seen = (await wire.collect()).filter(({ iface }) => iface === 'gw0').map(({ hex }) => hex);
    assert.deepEqual([seen.includes(own), seen.includes(spoofed)], [true, false]);
  });

  await t.test('and offline takes it away', async () => {
    assert.equal((await dom0.hotplug('offline', GUEST, options)).status, 0);
    assert.doesNotMatch(await dom0.ns.check(['ebtables', '-L']), /vif1\.0/);
  });
});

function setPolicy(dom0: Dom0, text: string): void {
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), text);
}
