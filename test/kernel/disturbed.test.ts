/** An online that somebody disturbs between its steps does not say that the guest is connected. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { obstacle, openDom0, PROGRAM } from './dom0.ts';

const skip = obstacle();

/** What somebody does right after the port came up, and what the run says of it. */
const DISTURBANCES: readonly (readonly [what: string, ip: readonly string[], said: RegExp])[] = [
  ['takes it off its bridge', ['link set dev vif1.0 nomaster'], /it is on no bridge, not on br0/],
  [
    'puts it on another bridge',
    ['link add br9 type bridge', 'link set dev vif1.0 master br9'],
    /it is on br9, not on br0/,
  ],
  ['puts it down', ['link set dev vif1.0 down'], /it is down/],
  ['renames it', ['link set dev vif1.0 down', 'link set dev vif1.0 name other up'], /it is gone, or has another name/],
  ['makes the bridge anew', ['link delete br0', 'link add br0 type bridge'], /it is on no bridge, not on br0/],
  ['gives it a group', ['link set dev vif1.0 group 5'], /it is in the interface group 5/],
];

test('an online that is disturbed', { skip, concurrency: 2 }, async (t) => {
  for (const [what, lines, said] of DISTURBANCES) {
    await t.test(`somebody ${what}: Xen is told, and the link is closed`, async (t) => {
      const dom0 = await openDom0(t);
      dom0.configure({ domid: 1, ip: '10.0.0.11' });
      await dom0.bench.addVif('vif1.0');
      const folder = join(dom0.folder, 'bin');
      mkdirSync(folder);
      const ip = (await dom0.ns.check(['sh', '-c', 'command -v ip'])).trim();
      const script = [
        '#!/bin/sh',
        'input=$(cat)',
        `printf '%s\\n' "$input" | ${ip} "$@" || exit`,
        `case $input in *'vif1.0 up'*) ${lines.map((line) => `${ip} ${line}`).join('; ')} ;; esac`,
        'exit 0',
      ];
      writeFileSync(join(folder, 'ip'), `${script.join('\n')}\n`, { mode: 0o755 });
      const PATH = `${folder}:${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`;
      const result = await dom0.hotplug('online', { domid: 1 }, { program: PROGRAM, env: { PATH } });
      assert.equal(result.status, 1);
      assert.match(dom0.key(1, 'hotplug-error') ?? '', said);
      assert.equal(dom0.key(1, 'hotplug-status'), 'error');
      for (const name of ['vif1.0', 'other']) assert.notEqual((await dom0.link(name))?.flags.includes('UP'), true);
    });
  }
});
