/** The doctor on real hosts: what the kernel, its packet filters and xenstore really say. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';

interface Told {
  readonly findings: readonly { id: string; severity: string; what: string; why: string; fix: string }[];
  readonly unknown: readonly { group: string; why: string }[];
}

const skip = obstacle();
/** Of the machine that tests, and not of the host that they make. */
const ELSEWHERE = ['another-script', 'script-missing', 'no-timer', 'proc-read-only', 'mac-drawn', 'key-ignored'];

async function doctor(dom0: Dom0): Promise<{ status: number | null; ids: string[]; told: Told }> {
  const { status, stdout, stderr } = await dom0.admin(['doctor', '--json']);
  assert.equal(stderr, '');
  const told: Told = JSON.parse(stdout);
  assert.deepEqual(told.unknown, []);
  return { status, told, ids: told.findings.map(({ id }) => id).filter((id) => !ELSEWHERE.includes(id)) };
}

const WEB = { domid: 1, name: 'web1', mac: '00:16:3e:00:00:01', ip: '10.0.0.11' } as const;

test('doctor', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start(WEB);
  const write = (file: string, text: string): Promise<string> => dom0.ns.check(['sh', '-c', `echo ${text} >${file}`]);
  /** What is found after a change, and is not any more when it is undone. */
  const finds = async (id: string, make: readonly string[][], undo: readonly string[][]): Promise<void> => {
    for (const argv of make) await dom0.ns.check(argv);
    const { ids, status } = await doctor(dom0);
    assert.ok(ids.includes(id), ids.join(' '));
    for (const argv of undo) await dom0.ns.check(argv);
    const after = await doctor(dom0);
    assert.ok(!after.ids.includes(id), after.ids.join(' '));
    assert.ok(status === 0 || status === 1);
  };

  await t.test('a host on which all is well', async () => {
    const { ids } = await doctor(dom0);
    assert.deepEqual(ids, []);
    const shown = await dom0.admin(['doctor']);
    assert.match(shown.stdout, /^(nothing found in \d+ places|[\s\S]*\n\d+ (error|warning|note)s?.*)\n$/);
  });

  await t.test('a bridge', async () => {
    const set = (what: string, value: string): string[][] => [
      ['ip', 'link', 'set', dom0.bench.bridge, 'type', 'bridge', what, value],
    ];
    await finds('forward-delay', set('forward_delay', '1500'), set('forward_delay', '0'));
    await finds('group-forwarding', set('group_fwd_mask', '0x4000'), set('group_fwd_mask', '0'));
  });

  await t.test('other packet filters', async () => {
    const chain = 'chain x y { type filter hook forward priority 0; policy drop; }';
    const nft = (text: string): string[] => ['nft', text];
    await finds(
      'frames-dropped',
      [nft('add table bridge x'), nft(`add ${chain.replace('chain', 'chain bridge')}`)],
      [nft('delete table bridge x')],
    );
    await finds(
      'frames-filtered',
      [nft('add table bridge x'), nft(`add ${chain.replace('chain', 'chain bridge').replace('drop', 'accept')}`)],
      [nft('delete table bridge x')],
    );
  });

  const calls = '/proc/sys/net/bridge/bridge-nf-call-iptables';
  await t.test('bridged packets that pass iptables', { skip: !existsSync(calls) && 'needs br_netfilter' }, async () => {
    const call = (value: number): string[] => ['sh', '-c', `echo ${value} >${calls}`];
    const drops = [
      ['nft', 'add table inet x'],
      ['nft', 'add chain inet x y { type filter hook forward priority 0; policy drop; }'],
    ];
    await finds('packets-dropped', [...drops, call(1)], [call(0)]);
    await dom0.ns.check(['nft', 'delete table inet x']);
    const dnat = [
      ['nft', 'add table ip n'],
      ['nft', 'add chain ip n y { type nat hook prerouting priority -100; }'],
      ['nft', 'add rule ip n y tcp dport 80 dnat to 10.0.0.11'],
    ];
    await finds('dnat-back', [...dnat, call(1)], [call(0)]);
    await finds('dnat-back', [call(1)], [['nft', 'delete table ip n']]);
    if (existsSync('/usr/sbin/iptables')) {
      const rule = (how: string): string[] => ['iptables', '-t', 'nat', how, 'PREROUTING', '-p', 'tcp', '-j', 'DNAT'];
      const to = ['--to-destination', '10.0.0.11:80'];
      await finds('dnat-back', [[...rule('-A'), ...to]], [[...rule('-D'), ...to]]);
      await dom0.ns.check(['iptables', '-P', 'FORWARD', 'DROP']);
      writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '[defaults]\nhost_accept = no\n');
      assert.ok((await doctor(dom0)).ids.includes('forward-drops'));
      writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '');
      assert.ok(!(await doctor(dom0)).ids.includes('forward-drops'));
    }
    await dom0.ns.check(call(0));
  });

  await t.test('ports', async () => {
    await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'nomaster']);
    assert.ok((await doctor(dom0)).ids.includes('damaged'));
    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    assert.ok(!(await doctor(dom0)).ids.includes('damaged'));
    await dom0.bench.addVif('vif9.0');
    assert.ok((await doctor(dom0)).ids.includes('not-ours'));
    await dom0.bench.removeVif('vif9.0');
    assert.ok(!(await doctor(dom0)).ids.includes('not-ours'));
    await write('/proc/sys/net/ipv6/conf/vif1.0/disable_ipv6', '0');
    await dom0.ns.check(['ip', 'address', 'add', 'fe80::77/64', 'dev', 'vif1.0', 'nodad']);
    const { ids, status } = await doctor(dom0);
    assert.ok(ids.includes('dom0-address'));
    assert.equal(status, 1);
    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    assert.ok(!(await doctor(dom0)).ids.includes('dom0-address'));
  });

  await t.test('xenstore that does not answer', async () => {
    const { status, stdout } = await dom0.admin(['doctor', '--json'], { env: { XENSTORED_PATH: '/nowhere' } });
    const { findings } = JSON.parse(stdout) as Told;
    assert.ok(findings.some(({ id }) => id === 'xenstore-silent'));
    assert.equal(status, 1);
  });

  await t.test('a policy that is broken is found like everything else, and keeps nothing else from it', async () => {
    writeFileSync(join(dom0.folder, 'broken.ini'), 'nonsense\n');
    const { status, stdout } = await dom0.admin(['doctor', '--config', join(dom0.folder, 'broken.ini')]);
    assert.equal(status, 1);
    assert.match(stdout, /^error: .*broken\.ini/m);
  });
});
