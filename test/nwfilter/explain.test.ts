/** What explain and rules say of a guest with a filter of libvirt's, as an admin reads it: no root, no kernel. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { frame, ip4, TYPE, udp } from '../kernel/frames.ts';
import { program } from '../lab/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'xvb-explain-'));
after(() => rmSync(folder, { recursive: true }));
const filter = join(folder, 'web.xml');
writeFileSync(
  filter,
  `<filter name='web'>
  <rule action='accept' direction='out'><udp dstportstart='53'/></rule>
  <rule action='drop' direction='inout' priority='1000'><all/></rule>
  <filterref filter='no-arp'/>
</filter>`,
);
writeFileSync(
  join(folder, 'no-arp.xml'),
  "<filter name='no-arp'>\n<rule action='drop' direction='in'><arp/></rule></filter>",
);
const policy = (more: string): string => {
  const file = join(folder, 'policy.ini');
  writeFileSync(file, `[rules dns]\nout allow udp 53-60\nout drop\n[defaults]\nnwfilter_dir = ${folder}\n${more}`);
  return file;
};
const MAC = '00:16:3e:00:00:01';
const VIF = ['vif=vif1.0', 'bridge=xenbr0', `mac=${MAC}`, 'ip=192.0.2.10'];
function run(command: readonly string[], config: string, more: readonly string[]): string {
  const args = [...program(), ...command, ...VIF, '--config', config, ...more];
  const { status, stdout, stderr } = spawnSync(args[0] ?? '', args.slice(1), { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}
function refused(config: string, packet: readonly string[]): string {
  const args = [...program(), 'rules', 'test', ...VIF, '--config', config, ...packet];
  const { status, stderr } = spawnSync(args[0] ?? '', args.slice(1), { encoding: 'utf8' });
  assert.equal(status, 2);
  return stderr;
}
const sent = (dport: number): string =>
  frame('02:00:00:00:00:fe', MAC, TYPE.ip, ip4({ src: '192.0.2.10', dst: '192.0.2.1' }, udp(4000, dport)));

test('explain names the filter, and the rule of it that decides', () => {
  const config = policy('nwfilter = web\n');
  const shown = run(['explain'], config, ['--frame', sent(54), '--frame', sent(53)]);
  const [dropped = '', passed = ''] = shown.split('\n');
  assert.match(dropped, /^ {2}1 drop {3}from-guest rule {12}nwfilter /);
  assert.ok(dropped.endsWith(`nwfilter web: ${filter}:3: drop inout all priority=1000`), dropped);
  assert.match(passed, /^ {2}2 accept from-guest - {15}nwfilter .*web\.xml:2: accept out udp dstportstart=53 /);
  const [answer] = JSON.parse(run(['explain'], config, ['--frame', sent(54), '--json']));
  assert.deepEqual(answer.rule, { text: 'drop inout all priority=1000', at: `${filter}:3`, nwfilter: 'web' });
  assert.equal(answer.policy, `${filter}:3`);
});

test('explain of a vif has the rules of its filter, and what they drop', () => {
  const shown = run(['explain'], policy('nwfilter = web\n'), []);
  assert.match(shown, /nwfilter web: out L4 \S+ accept out udp dstportstart=53 priority=500 {2}# \S+web\.xml:2\n/);
  assert.match(shown, /nwfilter web: in L2 \S+ drop in arp priority=500 {2}# \S+no-arp\.xml:2\n/);
  assert.match(shown, /\n {2}rule {12}a guest may not send [^\n]+# nwfilter \(\S+policy\.ini:6\)\n/);
  const both = run(['explain'], policy('nwfilter = web\nrules = dns\n'), []);
  assert.match(both, /# rules \(\S+policy\.ini:7\) and nwfilter \(\S+policy\.ini:6\)\n/);
});

test('rules test says what both let pass, and rules show has both', () => {
  const config = policy('nwfilter = web\nrules = dns\n');
  const said = (port: number): string =>
    run(['rules', 'test'], config, ['out', 'udp', '192.0.2.10:4000', `192.0.2.1:${port}`]);
  assert.match(said(53), /^allow {2}.*web\.xml:2: accept/);
  assert.match(said(54), /^drop {2}.*web\.xml:3: drop/);
  assert.match(said(61), /^drop {2}.*policy\.ini:3: out drop/);
  const shown = run(['rules', 'show'], config, []);
  assert.match(shown, /out allow udp 53-60 /);
  assert.match(shown, /nwfilter = web\n/);
});

test('rules test refuses what is no packet: its answer would be about none', () => {
  const config = policy('rules = dns\n');
  assert.match(refused(config, ['out', 'udp', '192.0.2.10', '192.0.2.1:53']), /a packet of udp has two ports/);
  assert.match(refused(config, ['out', 'icmp', '192.0.2.10', '192.0.2.1']), /a packet of icmp has a type/);
  assert.match(refused(config, ['out', 'icmp6', 'echo-request', '192.0.2.10', '192.0.2.1']), /icmp6 is of IPv6/);
});

function ends(command: readonly string[]): { readonly status: number | null; readonly said: string } {
  const args = [...program(), 'nwfilter', ...command];
  const { status, stdout, stderr } = spawnSync(args[0] ?? '', args.slice(1), { encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

test('check says of what libvirt takes that no guest can have it here', () => {
  const file = join(folder, 'few.xml');
  writeFileSync(
    file,
    "<filter name='few'>\n<rule action='accept' direction='in'><tcp connlimit-above='1'/></rule>\n<rule action='reject' direction='in'><tcp/></rule></filter>",
  );
  const { status, said } = ends(['check', file]);
  assert.equal(status, 0, 'as libvirt has it, it is a filter');
  assert.match(said, /note: \S+few\.xml:2: <tcp>: connlimit-above needs conntrack for bridges\n/);
  assert.match(said, /note: \S+few\.xml:3: <tcp>: reject of what comes to the guest/);
  assert.match(said, /few\.xml: accepted, filter few; no guest can have it here\n/);
  assert.match(ends(['show', 'few', '--dir', folder]).said, /connlimit-above needs conntrack/);
});

test('what is missing is named with the line that asks for it', () => {
  writeFileSync(
    join(folder, 'asks.xml'),
    "<filter name='asks'>\n<rule action='accept' direction='in'><tcp dstportstart='$PORTS'/></rule></filter>",
  );
  assert.match(ends(['show', 'asks', '--dir', folder]).said, /needs \$PORTS\nat {5}\S+asks\.xml:2\n/);
  writeFileSync(join(folder, 'refers.xml'), "<filter name='refers'>\n<filterref filter='nobody'/></filter>");
  assert.match(
    ends(['show', 'refers', '--dir', folder]).said,
    /no filter nobody \(ENOENT\)\nat {5}\S+refers\.xml:2, \S+nobody\.xml\n/,
  );
});
