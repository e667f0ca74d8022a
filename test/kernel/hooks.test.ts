/** Hooks of `vif-post.d` run as by stock: on all four commands, with variables and functions, before `connected`. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { RunResult } from '../lab/subprocess.ts';
import { type Command, type Dom0, obstacle, openDom0 } from './dom0.ts';

const skip = obstacle() || (!existsSync('/bin/bash') && 'needs bash');

interface Hooks {
  readonly dom0: Dom0;
  /** A run with these hooks. */
  readonly run: (command: Command) => Promise<RunResult>;
  /** What a hook has written. */
  readonly said: () => string[];
}

async function withHooks(
  t: test.TestContext,
  hooks: Readonly<Record<string, string>>,
  type?: 'vif_ioemu',
): Promise<Hooks> {
  const dom0 = await openDom0(t);
  const folder = join(dom0.folder, 'hooks');
  const file = join(dom0.folder, 'said');
  mkdirSync(folder);
  for (const [name, text] of Object.entries(hooks)) {
    writeFileSync(join(folder, name), text.replaceAll('SAID', file), { mode: name.startsWith('off') ? 0o644 : 0o755 });
  }
  dom0.configure({ domid: 1, ip: '10.0.0.11', vifname: 'web0', ...(type === undefined ? {} : { type }) });
  await dom0.bench.addVif('vif1.0');
  if (type !== undefined) await dom0.bench.addVif('vif1.0-emu');
  return {
    dom0,
    run: (command) => dom0.hotplug(command, { domid: 1 }, { env: { VIF_BRIDGE_HOOKS: folder } }),
    said: () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []),
  };
}

const TELL =
  'echo "$command $dev $vif $INTERFACE $bridge $ip $type_if $XENBUS_PATH $netdev $1 $2 $(basename "$script") $dir" >>SAID\n';

test('hooks', { skip, concurrency: 2 }, async (t) => {
  await t.test('find the variables of stock, in their order, before the guest may connect', async (t) => {
    const { dom0, run, said } = await withHooks(t, {
      '20-b.hook': `${TELL}echo "second $(xenstore_read_default "$XENBUS_PATH/hotplug-status" none)" >>SAID\n`,
      '10-a.hook': 'echo first >>SAID\n',
      'off.hook': 'echo off >>SAID\n',
      README: 'echo readme >>SAID\n',
    });
    assert.equal((await run('online')).status, 0);
    assert.deepEqual(said(), [
      'first',
      'online web0 vif1.0  br0 10.0.0.11 vif backend/vif/1/0  vif post vif-bridge /etc/xen/scripts',
      'second ',
    ]);
    assert.equal(dom0.key(1, 'hotplug-status'), 'connected');
    assert.equal((await run('offline')).status, 0);
    assert.equal(
      said()[4],
      'offline web0 vif1.0  br0 10.0.0.11 vif backend/vif/1/0  vif post vif-bridge /etc/xen/scripts',
    );
  });

  await t.test('run for the tap of an HVM guest too', async (t) => {
    const { run, said } = await withHooks(t, { 'a.hook': TELL }, 'vif_ioemu');
    for (const command of ['online', 'add', 'remove', 'offline'] as const) assert.equal((await run(command)).status, 0);
    assert.deepEqual(
      said().map((line) => line.split(' ').slice(0, 4).join(' ')),
      [
        'online web0 vif1.0 ',
        'add web0-emu vif1.0 vif1.0-emu',
        'remove web0-emu vif1.0 vif1.0-emu',
        'offline web0 vif1.0 ',
      ],
    );
  });

  await t.test('have the functions of stock (osstest: cxfabric.hook)', async (t) => {
    const { run, said } = await withHooks(t, {
      'cxfabric.hook': [
        'mac=$(xenstore_read "$XENBUS_PATH/mac")',
        'log debug "mac $mac"',
        'do_without_error bridge fdb add "$mac" dev nowhere',
        'claim_lock mine',
        'echo "$mac locked $([ -e /var/run/xen-hotplug/mine ] && echo yes)" >>SAID',
        'release_lock mine',
        'do_or_die true',
        'xenstore_write "$XENBUS_PATH/seen" 1',
        'echo "$(xenstore_read "$XENBUS_PATH/seen")" >>SAID',
        '',
      ].join('\n'),
    });
    assert.equal((await run('online')).status, 0);
    assert.deepEqual(said(), ['00:16:3e:00:01:00 locked yes', '1']);
  });

  for (const [title, text, why] of [
    ['a command that fails', 'false\n', /the hook a\.hook failed: ended with status 1/],
    ['fatal', 'fatal "no fabric"\n', /the hook a\.hook failed: no fabric/],
    ['a syntax error', 'if\n', /the hook a\.hook failed/],
  ] as const) {
    await t.test(`${title} ends the run as by stock, and Xen is told which hook`, async (t) => {
      const { dom0, run, said } = await withHooks(t, { 'a.hook': text, 'b.hook': 'echo b >>SAID\n' });
      assert.equal((await run('online')).status, 1);
      assert.match(dom0.key(1, 'hotplug-error') ?? '', why);
      assert.equal(dom0.key(1, 'hotplug-status'), 'error');
      assert.equal((await dom0.link('web0'))?.flags.includes('UP'), false);
      assert.deepEqual(said(), []);
      // Nobody waits for what a hook says when the guest goes.
      assert.equal((await run('offline')).status, 0);
      assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
    });
  }

  await t.test('leave something running that keeps neither the run nor its locks', async (t) => {
    const { dom0, run } = await withHooks(t, { 'a.hook': '[ "$command" = offline ] || exec sleep 3600.5 &\n' });
    const isThere = async (): Promise<boolean> =>
      (
        await dom0.ns.run(['sh', '-c', `ip netns pids ${dom0.ns.name} | xargs -I% cat /proc/%/cmdline`])
      ).stdout.includes('sleep\x003600.5');
    assert.equal((await run('online')).status, 0);
    assert.ok(await isThere());
    assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
    assert.ok(await isThere());
  });
});
