/** A repair that cannot be: it says so and ends with 2, and what is damaged is told as that until it is mended. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { guestGroup } from '../../src/port/guest-group.ts';
import { until } from '../lab/until.ts';
import { type Dom0, LAUNCHER, obstacle } from './dom0.ts';
import { openGuests } from './verdict.ts';
import { verified } from './verified.ts';

const skip = obstacle();
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/** A program in front of the system's one, for who is given this environment. */
function instead(dom0: Dom0, tool: string, script: string): Readonly<Record<string, string>> {
  const bin = join(dom0.folder, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, tool), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { PATH: `${bin}:${PATH}`, VIF_BRIDGE_PERSON: '1' };
}

interface Ends {
  readonly status: number;
  readonly verify: number;
  readonly nagios: number;
}

async function ends(dom0: Dom0, env: Readonly<Record<string, string>> = {}): Promise<Ends> {
  const one = async (...args: string[]): Promise<number> => (await dom0.admin(args, { env })).status ?? -1;
  return { status: await one('status'), verify: await one('verify'), nagios: await one('status', '--nagios') };
}

const WELL: Ends = { status: 0, verify: 0, nagios: 0 };
const DAMAGED: Ends = { status: 1, verify: 1, nagios: 2 };
const UNKNOWN: Ends = { status: 2, verify: 2, nagios: 3 };

test('what cannot be repaired is not said to be well', { skip }, async (t) => {
  const dom0 = await openGuests(t);
  const group = String(guestGroup((await dom0.link('vif1.0'))?.ifindex));
  const lose = (): Promise<string> =>
    dom0.ns.check([
      'nft',
      `delete element bridge xen-vif own-ip6-raw { ${group} . 0xfd000000000000000000000000000011 }`,
    ]);
  const mended = async (): Promise<void> => {
    const { status, stderr } = await dom0.admin(['repair']);
    assert.equal(status, 0, stderr);
    assert.deepEqual(await ends(dom0), WELL);
  };

  await t.test('nft lists, and refuses every change', async () => {
    await lose();
    const env = instead(
      dom0,
      'nft',
      `case "$*" in *'-f -'*) echo 'Error: not today' >&2; exit 1;; esac; PATH=${PATH} exec nft "$@"`,
    );
    for (const args of [['repair', 'vif1.0'], ['repair']]) {
      const { status, stderr, stdout } = await dom0.admin(args, { env });
      assert.equal(status, 2, stderr);
      assert.match(stderr, /not today/);
      assert.doesNotMatch(stdout, /re-applied: .*vif1\.0/);
      assert.deepEqual(await ends(dom0, env), DAMAGED, 'with that nft');
      assert.deepEqual(await ends(dom0), DAMAGED, 'with the other one');
    }
    await mended();
  });

  await t.test('nft does nothing at all, or is not there', async () => {
    await lose();
    for (const script of ["echo 'Error: no netlink' >&2; exit 1", 'exit 127', 'kill -9 $$']) {
      const env = instead(dom0, 'nft', script);
      const { status, stderr } = await dom0.admin(['repair'], { env });
      assert.equal(status, 2, stderr);
      assert.match(stderr, /nft/);
      assert.deepEqual(await ends(dom0, env), UNKNOWN, script);
      for (const args of [['metrics'], ['watch', '--once', '--interval', '0.2']])
        assert.equal((await dom0.admin(args, { env })).status, 2, args.join(' '));
    }
    assert.deepEqual(await ends(dom0), DAMAGED);
    await mended();
  });

  await t.test('the state cannot be written', async () => {
    await lose();
    const run = (...args: string[]): Promise<{ status: number | null; stderr: string }> => {
      const script = `mount --bind ${dom0.state} ${dom0.state} && mount -o remount,ro,bind ${dom0.state} && exec ${LAUNCHER} "$@"`;
      return dom0.admin(args, { program: ['unshare', '--mount', '--', 'sh', '-c', script, 'sh'] });
    };
    const { status, stderr } = await run('repair', 'vif1.0');
    assert.equal(status, 2, stderr);
    assert.match(stderr, /read-only|EROFS/);
    // Who only looks needs not write.
    assert.equal((await run('verify', 'vif1.0')).status, 1);
    assert.equal((await run('status', 'vif1.0')).status, 1);
    await mended();
  });

  await t.test('somebody else owns a table of our name', async () => {
    await dom0.ns.check(['nft', 'delete table bridge xen-vif']);
    const owner = spawn('ip', ['netns', 'exec', dom0.ns.name, 'nft', '-i'], { stdio: ['pipe', 'ignore', 'ignore'] });
    t.after(() => owner.kill());
    owner.stdin.write('add table bridge xen-vif { flags owner; }\n');
    await until('it owns it', async () => /xen-vif/.test((await dom0.ns.run(['nft', 'list', 'tables'])).stdout));
    const { status, stderr } = await dom0.admin(['repair']);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /Operation not permitted/);
    assert.deepEqual(await ends(dom0), DAMAGED);
    owner.stdin.end();
    await until('it has gone', async () => !/xen-vif/.test((await dom0.ns.run(['nft', 'list', 'tables'])).stdout));
    await mended();
  });

  await t.test('one of two cannot be: the other one is mended, and both are told of', async () => {
    await lose();
    const line = dom0.key(2, 'mac');
    dom0.store.write('/local/domain/0/backend/vif/2/0/mac', 'nonsense');
    const { status, stdout, stderr } = await dom0.admin(['repair']);
    assert.equal(status, 2);
    assert.match(stdout, /re-applied: vif1\.0/);
    assert.match(stderr, /vif2\.0: .*nonsense/);
    const { status: found, lines } = await verified(dom0);
    assert.equal(found, 2);
    assert.match(lines.join('\n'), /^vif2\.0 .*nonsense/);
    dom0.store.write('/local/domain/0/backend/vif/2/0/mac', line ?? '');
    await mended();
  });
  rmSync(join(dom0.folder, 'bin'), { recursive: true, force: true });
});
