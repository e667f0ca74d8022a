/** `watch` of a host with a guest that spoofs: what is counted, what is claimed, and the terminal afterwards. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runProgram } from '../lab/subprocess.ts';
import { tcpdump } from '../lab/tcpdump.ts';
import { type Dom0, LAUNCHER, obstacle, openDom0 } from './dom0.ts';
import { ALL, arp, frame, G, TYPE } from './frames.ts';

const skip = obstacle();
const WEB = { domid: 1, name: 'web1', mac: '00:16:3e:00:00:01', ip: '10.0.0.11' } as const;
const DB = { domid: 2, name: 'db1', mac: '00:16:3e:00:00:02', ip: '10.0.0.2' } as const;

/** Somebody claims an address, again and again, until it is ended. */
async function spoofing(dom0: Dom0, spa: string, work: () => Promise<void>): Promise<void> {
  const wire = await dom0.openWire(['guest1.0']);
  const claim = frame(ALL, WEB.mac, TYPE.arp, arp({ op: 2, sha: WEB.mac, spa, tpa: '10.0.0.77' }));
  let goesOn = true;
  const sending = (async () => {
    while (goesOn) {
      await wire.send('guest1.0', claim);
      await sleep(20);
    }
  })();
  try {
    await work();
  } finally {
    goesOn = false;
    await sending;
    await wire.exit();
  }
}

interface Row {
  readonly vif: string;
  readonly guest: string;
  readonly reason: string;
  readonly spoofing: boolean;
  readonly per_second: number;
  readonly claim: { kind: string; value: string } | null;
  readonly victim: string | null;
}

test('watch', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start(WEB);
  await dom0.start(DB);

  await t.test('nobody does anything', async () => {
    const { status, stdout, stderr } = await dom0.admin(['watch', '--once', '--interval', '0.3']);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, 'nothing is dropped now\n');
    const json = await dom0.admin(['watch', '--json', '--interval', '0.3']);
    assert.deepEqual(JSON.parse(json.stdout), []);
  });

  await t.test('who spoofs, without --once too where there is no terminal', async () => {
    await spoofing(dom0, DB.ip, async () => {
      const { status, stdout } = await dom0.admin(['watch', '--interval', '0.5']);
      assert.equal(status, 1);
      assert.match(stdout, /^1 port pretends to be another now\n/);
      assert.match(stdout, /^vif1\.0 +web1 +from-guest +arp-spa +\d+\.\d +\d+/m);
      const [row] = JSON.parse((await dom0.admin(['watch', '--json', '--interval', '0.5'])).stdout) as Row[];
      assert.equal(row?.vif, 'vif1.0');
      assert.equal(row?.guest, 'web1');
      assert.equal(row?.spoofing, true);
      assert.ok((row?.per_second ?? 0) > 0);
    });
  });

  await t.test('what is claimed, and whose that is', async (t) => {
    const env = await tcpdump(dom0.folder);
    if (env === undefined) return t.skip('needs tcpdump');
    for (const [spa, victim] of [
      [DB.ip, 'db1 (vif2.0)'],
      ['10.0.0.1', 'this host'],
      ['10.9.9.9', null],
    ] as const) {
      await spoofing(dom0, spa, async () => {
        const { stdout, stderr } = await dom0.admin(['watch', '--json', '--interval', '0.5'], { env });
        assert.equal(stderr, '');
        const [row] = JSON.parse(stdout) as Row[];
        assert.deepEqual(row?.claim, { kind: 'address', value: spa }, stdout);
        assert.equal(row?.victim, victim);
      });
    }
    await dom0.ns.check(['ip', 'route', 'add', 'default', 'via', G.ip, 'dev', 'br0']);
    await spoofing(dom0, G.ip, async () => {
      const { stdout } = await dom0.admin(['watch', '--once', '--interval', '0.5'], { env });
      assert.match(stdout, /to be 10\.0\.0\.254, which is the gateway$/m);
    });
  });

  await t.test('wrong input is trouble', async () => {
    for (const interval of ['x', '0', '-1', '', '1e9']) {
      const { status, stderr } = await dom0.admin(['watch', '--once', '--interval', interval]);
      assert.equal(status, 2, interval);
      assert.match(stderr, /--interval/);
    }
    assert.notEqual((await dom0.admin(['watch', 'vif1.0'])).status, 0);
  });

  for (const [what, keys] of [
    ['q', ['q']],
    ['Ctrl-C', ['C-c']],
  ] as const) {
    await t.test(`on a terminal it goes on until ${what}, and leaves the terminal as it was`, async (t) => {
      const server = `xvb-watch-${process.pid}-${what}`;
      const tmux = (...args: string[]) => runProgram(['tmux', '-L', server, ...args]);
      const state = ['VIF_BRIDGE_STATE_DIR', dom0.state, 'XENSTORED_PATH', dom0.store.socket];
      const env = `env ${state[0]}=${state[1]} ${state[2]}=${state[3]} VIF_BRIDGE_CONFIG=${join(dom0.folder, 'vif-bridge.ini')}`;
      const started = await tmux('-f', '/dev/null', 'new-session', '-d', '-x', '120', '-y', '24', 'sh').catch(
        () => undefined,
      );
      if (started?.status !== 0) return t.skip('needs tmux');
      t.after(() => tmux('kill-server'));
      const screen = async (): Promise<string> => (await tmux('capture-pane', '-p')).stdout;
      const until = async (form: RegExp): Promise<string> => {
        for (let look = 0; look < 150; look += 1) {
          const text = await screen();
          if (form.test(text)) return text;
          await sleep(100);
        }
        throw new Error(`${form} did not come: ${await screen()}`);
      };
      await tmux('send-keys', `PS1='ready> '; stty -g >${dom0.folder}/before; clear`, 'Enter');
      await until(/ready>/);
      await spoofing(dom0, DB.ip, async () => {
        await tmux(
          'send-keys',
          `ip netns exec ${dom0.ns.name} ${env} ${LAUNCHER} watch --interval 0.3; echo ended $?`,
          'Enter',
        );
        const shown = await until(/LAST MINUTE[\s\S]*vif1\.0 .*█/);
        assert.match(shown, /q ends/);
        assert.match(shown, /1 port pretends to be another now/);
        await tmux('send-keys', ...keys);
        const after = await until(/ended \d/);
        assert.match(after, /ended 0/);
        assert.doesNotMatch(after, /LAST MINUTE/);
        await tmux(
          'send-keys',
          `stty -g >${dom0.folder}/after; cmp ${dom0.folder}/before ${dom0.folder}/after && echo same`,
          'Enter',
        );
        await until(/^same$/m);
      });
    });
  }
});
