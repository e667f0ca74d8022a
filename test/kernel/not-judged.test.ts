/**
 * Who looks for what guests do, while somebody has taken the rules or nobody has put them right: `watch`, `explain` and
 * `log` say that nothing is known, and do not end as if all were well.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { tcpdump } from '../lab/tcpdump.ts';
import { obstacle, openDom0 } from './dom0.ts';
import { frame, G, ip4, TYPE, udp } from './frames.ts';
import { openRoutedSite } from './routed-site.ts';

const skip = obstacle();
const WEB = { domid: 1, name: 'web1', mac: '00:16:3e:00:00:01', ip: '10.0.0.11' } as const;
const ONCE = ['watch', '--once', '--interval', '0.3'];

test('the rules are gone', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start(WEB);
  const forged = frame(G.mac, WEB.mac, TYPE.ip, ip4({ src: '10.0.0.99', dst: G.ip }, udp(9, 9)));
  const explained = await dom0.admin(['explain', 'web1', '--frame', forged]);
  assert.deepEqual(
    [explained.status, /ip-src/.test(explained.stdout), /damaged/.test(explained.stderr)],
    [0, true, false],
  );
  await dom0.ns.check(['nft', 'flush', 'ruleset']);

  await t.test('watch ends with 2, and says why', async () => {
    const once = await dom0.admin(ONCE);
    assert.equal(once.status, 2);
    assert.match(
      once.stdout,
      /^damaged, so what they send is not judged: vif1\.0 \(the rules are gone\); vif-bridge repair$/m,
    );
    const json = await dom0.admin(['watch', '--json', '--interval', '0.3']);
    assert.deepEqual([json.status, json.stdout.trim()], [2, '[]']);
    assert.match(json.stderr, /^note: damaged, so/);
  });

  await t.test('explain says that frames do not fare so', async () => {
    for (const more of [[], ['--frame', forged]]) {
      const { stdout, stderr } = await dom0.admin(['explain', 'web1', ...more]);
      assert.match(`${stdout}${stderr}`, /note: damaged: the rules are gone; frames do not fare as is said here/);
    }
  });

  await t.test('log says so before it listens', async (t) => {
    const env = await tcpdump(dom0.folder);
    if (env === undefined) return t.skip('needs tcpdump');
    const { stderr } = await dom0.admin(['log', 'web1', '--seconds', '1'], { env });
    assert.match(stderr, /^note: vif1\.0: damaged: the rules are gone/);
  });

  await t.test('repaired, all are silent', async () => {
    assert.equal((await dom0.admin(['repair'])).status, 0);
    const once = await dom0.admin(ONCE);
    assert.deepEqual([once.status, once.stdout], [0, 'nothing is dropped now\n']);
    assert.doesNotMatch((await dom0.admin(['explain', 'web1'])).stdout, /damaged/);
  });
});

test('without xenstore verify does not say that all is as it says', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start(WEB);
  const env = { XENSTORED_PATH: '/nowhere' };
  for (const args of [['verify'], ['verify', 'vif1.0']]) {
    assert.equal((await dom0.admin(args)).status, 0);
    const { status, stdout } = await dom0.admin(args, { env });
    assert.equal(status, 2, stdout);
    assert.match(
      stdout,
      /cannot be compared: xenstore does not answer; rules and port were compared with what was saved/,
    );
    assert.match(stdout, /^0 of 1 vif is as policy and xenstore say$/m);
  }
  // Not Xen's, so nobody need be asked.
  await dom0.bench.addVif('vif7.0');
  const given = ['online', 'vif=vif7.0', 'bridge=br0', 'mac=00:16:3e:00:00:07', 'ip=10.0.0.7'];
  assert.equal((await dom0.admin(given, { env })).status, 0);
  const byHand = await dom0.admin(['verify', 'vif7.0'], { env });
  assert.equal(byHand.status, 0, byHand.stdout);
});

test('who is not filtered is named by watch, and is no finding', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: `[mac ${WEB.mac}]\nmode = unlocked\n` });
  await dom0.start(WEB);
  const { status, stdout } = await dom0.admin(ONCE);
  assert.equal(status, 0);
  assert.equal(stdout, 'not filtered, so what they send is not judged: vif1.0\nnothing is dropped now\n');
});

test('explain of a guest whose time is over says that it is open', { skip }, async (t) => {
  const until = new Date(Date.now() + 8_000).toISOString();
  const dom0 = await openDom0(t, { policy: `[mac ${WEB.mac}]\nmode = unlocked\nuntil = ${until.slice(0, 19)}Z\n` });
  await dom0.start(WEB);
  await sleep(Math.max(0, Date.parse(until) - Date.now()));
  const { stdout } = await dom0.admin(['explain', 'web1']);
  assert.match(
    stdout,
    /everything: it is not filtered, though mode = unlocked has ended: nobody has re-applied it {2}# until/,
  );
});

test('watch sees a routed guest that spoofs', { skip }, async (t) => {
  const { dom0, start } = await openRoutedSite(t);
  await start({ ...WEB, ip: '10.0.0.5' });
  const wire = await dom0.openWire(['guest1.0']);
  const forged = frame('fe:ff:ff:ff:ff:ff', WEB.mac, TYPE.ip, ip4({ src: '10.0.0.99', dst: G.ip }, udp(9, 9)));
  let goesOn = true;
  const sending = (async () => {
    while (goesOn) {
      await wire.send('guest1.0', forged);
      await sleep(20);
    }
  })();
  const { status, stdout } = await dom0.admin(ONCE).finally(() => {
    goesOn = false;
  });
  await sending;
  assert.match(stdout, /^vif1\.0 +web1 +from-guest +ip-src/m);
  assert.equal(status, 1);
});
