/**
 * A path that takes smaller packets than both ends do, and conversations that are older than what is noted of their
 * ends at first: the error of the router on the way (RFC 1191, RFC 8201) belongs to them as long as they live. Real
 * sockets of Linux, and a router of its.
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { createNamespace } from '../lab/namespace.ts';
import { until } from '../lab/until.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, G } from './frames.ts';
import { openStation, type Station } from './station.ts';

const FAR = ['198.51.100.2', '2001:db8:f::2'] as const;
const POLICY = `
[rules web]
in allow tcp 9000
in drop
out allow tcp 9000
out allow udp 9000
out drop
[guest guest1]
rules = web
`;
const LONG = 200_000;

/** Counts what it hears, and says how much that is when it is all. */
const SINK = `
require('net').createServer((c) => {
  let heard = 0;
  c.on('error', () => {});
  c.on('data', (d) => { heard += d.length; c.write(heard === 5 ? 'begun' : heard === ${LONG} + 5 ? 'whole' : '.'); });
}).listen(9000, '::');`;

/** Says a little, waits until it is told, and says much. */
const talker = (to: string): string => `
const c = require('net').connect(9000, '${to}', () => c.write('hello'));
const end = (why) => { console.log(why); process.exit(0); };
c.on('error', (error) => end(error.code));
c.on('data', (d) => { const text = d.toString(); if (text.includes('begun')) console.log('begun'); if (text.includes('whole')) end('whole'); });
process.stdin.once('data', () => { c.write(Buffer.alloc(${LONG})); setTimeout(() => end('lost'), 8000); });`;

async function openPath(t: TestContext): Promise<{ dom0: Dom0; guest: Station }> {
  const dom0 = await openDom0(t, { policy: POLICY });
  await dom0.start({ domid: 1, mac: A.mac, ip: `${A.ip} ${A.ip6}`, name: 'guest1' });
  const guest = await openStation(t, dom0, '/', 'guest1.0', {
    mac: A.mac,
    addresses: [`${A.ip}/24`, `${A.ip6}/64`],
  });
  const router = await openStation(t, dom0, '/', 'gw0', {
    addresses: [`${G.ip}/24`, `${G.ip6}/64`],
    sysctls: ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'],
  });
  const far = await createNamespace('far');
  t.after(() => far.remove());
  // Narrow is only the router's side: the other end says nothing of it when a conversation begins.
  await router.ns.check(['ip', '-batch', '-'], {
    input: `link add far0 mtu 1280 type veth peer name net0 netns ${far.name}
addr add 198.51.100.1/24 dev far0
addr add 2001:db8:f::1/64 dev far0 nodad
link set far0 up
`,
  });
  await far.check(['ip', '-batch', '-'], {
    input: `addr add ${FAR[0]}/24 dev net0
addr add ${FAR[1]}/64 dev net0 nodad
link set net0 mtu 1500 up
route add default via 198.51.100.1
route add default via 2001:db8:f::1
`,
  });
  await guest.ns.check(['ip', '-batch', '-'], {
    input: `route add default via ${G.ip}\nroute add default via ${G.ip6}\n`,
  });
  const sink = far.spawn([process.execPath, '-e', SINK]);
  t.after(() => sink.kill('SIGKILL'));
  await until('the other end listens', async () => (await far.check(['cat', '/proc/net/tcp6'])).includes(':2328 '));
  return { dom0, guest };
}

test('an old conversation learns of a narrow path', { skip: obstacle() }, async (t) => {
  const { dom0, guest } = await openPath(t);
  for (const to of FAR) {
    await t.test(`to ${to}`, async () => {
      const talk = guest.ns.spawn([process.execPath, '-e', talker(to)]);
      t.after(() => talk.kill('SIGKILL'));
      let said = '';
      talk.stdout.on('data', (data) => {
        said += String(data);
      });
      const ended = new Promise((resolve) => talk.on('close', resolve));
      await until('it has begun', () => Promise.resolve(said.includes('begun')));
      // As three minutes later.
      for (const family of ['ip', 'ip6']) {
        await dom0.ns.check(['nft', 'flush', 'set', 'bridge', 'xen-vif', `flows-pair-${family}`]);
      }
      talk.stdin.write('now\n');
      await ended;
      assert.match(said, /whole/);
    });
  }
});
