/**
 * What goes into a guest, by the programs that are to read it: netplan's own text for networkd and NetworkManager is
 * what ours must say, cloud-init and nmcli take what they are given, and no program of them is needed to print it.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { launcher } from '../lab/program.ts';
import { PLAIN_ENV, runProgram } from '../lab/subprocess.ts';
import { unpacked } from './programs.ts';

/** Guests that differ in what a format has to say. */
const GUESTS: Readonly<Record<string, readonly string[]>> = {
  'one NIC, several addresses': [
    ...['vif=vif1.0', 'mac=00:16:3e:00:00:01', 'ip=192.0.2.5 192.0.2.6 198.51.100.8/30 2001:db8::5'],
    ...['--gateway', '192.0.2.1'],
  ],
  'one NIC with its netmask and a router of IPv6': [
    ...['vif=vif1.0', 'mac=00:16:3e:00:00:01', 'ip=192.0.2.5/24,2001:db8::5/64'],
    ...['--gateway', '192.0.2.1', '--gateway', '2001:db8::1'],
  ],
  'a router of IPv6 that is in no subnet': [
    ...['vif=vif1.0', 'mac=00:16:3e:00:00:01', 'ip=2001:db8::5', '--gateway=2001:db8:ffff::1'],
  ],
  'three NICs on one network': [
    ...['vif=vif1.0', 'mac=00:16:3e:00:00:01', 'ip=192.0.2.5'],
    ...['vif=vif1.1', 'mac=00:16:3e:00:00:02', 'ip=192.0.2.6 2001:db8::6'],
    ...['vif=vif1.2', 'mac=00:16:3e:00:00:03', 'ip=192.0.2.7 2001:db8:5::/64'],
    ...['--gateway', '192.0.2.1'],
  ],
  'two NICs with their netmasks': [
    ...['vif=vif1.0', 'mac=00:16:3e:00:00:01', 'ip=192.0.2.5/24'],
    ...['vif=vif1.1', 'mac=00:16:3e:00:00:02', 'ip=192.0.2.6/24', '--gateway', '192.0.2.1'],
  ],
};

async function guestConfig(words: readonly string[], format: string): Promise<string> {
  const { status, stdout, stderr } = await runProgram([launcher(), 'guest-config', ...words, '--format', format], {
    env: PLAIN_ENV,
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-guest-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Files in one text, each behind a comment with its path. */
function filesIn(text: string): ReadonlyMap<string, string> {
  const parts = text.split(/^(?=# \/etc\/)/m).filter((part) => part.startsWith('# /etc/'));
  return new Map(parts.map((part) => [/^# (\S+)/.exec(part)?.[1]?.replace(/^.*\//, '') ?? '', part]));
}

/** Sections of an INI file as a list in no order, without what is the same said otherwise. */
function sections(text: string, leaveOut: RegExp): string[] {
  return text
    .split(/^(?=\[)/m)
    .filter((part) => part.startsWith('['))
    .map((part) =>
      part
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#') && !leaveOut.test(line))
        .sort()
        .join('\n'),
    )
    .filter((part) => !/^\[[^\]]*\]$/.test(part))
    .sort();
}

async function netplan(t: TestContext, yaml: string): Promise<((file: string) => string) | undefined> {
  const found = await unpacked('netplan');
  if (typeof found === 'string') {
    t.skip(found);
    return undefined;
  }
  const folder = folderOf(t);
  mkdirSync(join(folder, 'etc/netplan'), { recursive: true });
  writeFileSync(join(folder, 'etc/netplan/60-guest.yaml'), yaml, { mode: 0o600 });
  const generate = join(found.root, 'usr/libexec/netplan/generate');
  const { status, stderr } = await runProgram([generate, '--root-dir', folder], { env: found.env });
  assert.equal(status, 0, `${stderr}\n${yaml}`);
  assert.equal(stderr, '');
  return (file) => readFileSync(join(folder, file), 'utf8');
}

for (const [name, words] of Object.entries(GUESTS)) {
  const nics = words.filter((word) => word.startsWith('vif=')).map((_, at) => `eth${at}`);

  test(`netplan makes the same of it as we say to systemd-networkd: ${name}`, async (t) => {
    const read = await netplan(t, await guestConfig(words, 'netplan'));
    if (read === undefined) return;
    const ours = filesIn(await guestConfig(words, 'networkd'));
    assert.deepEqual(
      [...ours.keys()],
      nics.map((nic) => `10-${nic}.network`),
    );
    for (const nic of nics) {
      const made = read(`run/systemd/network/10-netplan-${nic}.network`);
      // Without a destination it is that of everywhere; link-local addresses are IPv6's by themselves.
      const leaveOut = /^(Destination=(0\.0\.0\.0\/0|::\/0)|LinkLocalAddressing=ipv6|PermanentMACAddress=|MACAddress=)/;
      assert.deepEqual(sections(ours.get(`10-${nic}.network`) ?? '', leaveOut), sections(made, leaveOut));
    }
  });

  test(`netplan makes the same of it as we say to NetworkManager: ${name}`, async (t) => {
    const yaml = (await guestConfig(words, 'netplan')).replace('version: 2', 'version: 2\n  renderer: NetworkManager');
    const read = await netplan(t, yaml);
    if (read === undefined) return;
    const ours = filesIn(await guestConfig(words, 'nm'));
    for (const nic of nics) {
      const made = read(`run/NetworkManager/system-connections/netplan-${nic}.nmconnection`);
      // netplan 0.106 leaves rules out here, and says more of what we leave to NetworkManager.
      const leaveOut = /^(routing-rule|id=|wake-on-lan|mac-address=|ip6-privacy|method=(disabled|ignore|link-local))/;
      const own = ours.get(`${nic}.nmconnection`) ?? '';
      assert.deepEqual(sections(own, leaveOut), sections(made, leaveOut));
    }
  });

  test(`NetworkManager takes it: ${name}`, async (t) => {
    const found = await unpacked('network-manager');
    if (typeof found === 'string') return t.skip(found);
    for (const [file, text] of filesIn(await guestConfig(words, 'nm'))) {
      const nmcli = [join(found.root, 'usr/bin/nmcli'), '--offline', 'connection', 'modify', 'connection.zone', 'home'];
      const { status, stdout, stderr } = await runProgram(nmcli, { env: found.env, input: text });
      assert.equal(status, 0, `${file}: ${stderr}\n${text}`);
      // What it does not understand it leaves out when it writes it again.
      const said = (one: string): string[] =>
        one
          .split('\n')
          .filter((line) => /^(address|routing-rule|mac-address)/.test(line))
          .sort();
      assert.deepEqual(said(stdout), said(text));
      const routes = (one: string): number =>
        one.split('\n').filter((line) => /^route\d+(=|_options=)/.test(line)).length;
      assert.equal(routes(stdout), routes(text), stdout);
    }
  });

  test(`cloud-init takes it, and tells netplan the same: ${name}`, async (t) => {
    const found = await unpacked('cloud-init');
    if (typeof found === 'string') return t.skip(found);
    const folder = folderOf(t);
    writeFileSync(join(folder, 'network-config'), await guestConfig(words, 'cloud-init'));
    for (const kind of ['netplan', 'networkd']) {
      const argv = [
        ...['/usr/bin/python3', '-m', 'cloudinit.cmd.main', 'devel', 'net-convert', '--kind', 'yaml', '-D', 'debian'],
        ...['--network-data', join(folder, 'network-config'), '--output-kind', kind, '-d', join(folder, kind)],
      ];
      const { status, stderr } = await runProgram(argv, { env: found.env });
      if (/No module named/.test(stderr))
        return t.skip(`cloud-init cannot run here: ${stderr.trim().split('\n').at(-1)}`);
      assert.equal(status, 0, stderr);
      assert.doesNotMatch(stderr, /Traceback|ERROR/);
    }
    const made = readFileSync(join(folder, 'netplan/etc/netplan/50-cloud-init.yaml'), 'utf8');
    const read = await netplan(t, made);
    if (read === undefined) return;
    const ours = filesIn(await guestConfig(words, 'networkd'));
    for (const nic of nics) {
      const leaveOut = /^(Destination=(0\.0\.0\.0\/0|::\/0)|LinkLocalAddressing=ipv6|PermanentMACAddress=|MACAddress=)/;
      const text = read(`run/systemd/network/10-netplan-${nic}.network`);
      assert.deepEqual(sections(ours.get(`10-${nic}.network`) ?? '', leaveOut), sections(text, leaveOut));
    }
  });
}
