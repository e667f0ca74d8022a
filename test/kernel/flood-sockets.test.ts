/**
 * A web server that is flooded with SYN of thousands who are not there, by real sockets of Linux: clients that are
 * there come in, who is in stays, and what the server opens itself is untouched.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { openWire } from '../lab/wire.ts';
import { obstacle, openDom0 } from './dom0.ts';
import { A, frame, G, ip4, TYPE, tcp } from './frames.ts';
import { SYN } from './play.ts';
import { groupOf, spend } from './shares.ts';
import { openStation } from './station.ts';

const POLICY = `
[rules web]
in allow tcp 80
in drop
out allow
[guest guest1]
rules = web
`;
const SECONDS = 8;
const ECHO = (port: number): string =>
  `require('net').createServer((c) => { c.on('error', () => {}); c.pipe(c); }).listen(${port});`;

/** One after the other, each with a conversation of its own: says something, and wants it back. */
const ASKER = (to: string, port: number): string => `
const got = { answered: 0, lost: 0 };
const end = Date.now() + ${SECONDS * 1000};
const ask = () => {
  if (Date.now() > end) { console.log(JSON.stringify(got)); process.exit(0); }
  const c = require('net').connect(${port}, '${to}', () => c.write('x'));
  const done = (what) => { clearTimeout(timer); c.destroy(); got[what] += 1; setTimeout(ask, 5); };
  const timer = setTimeout(() => done('lost'), 2000);
  c.on('error', () => {});
  c.on('data', () => done('answered'));
};
ask();`;

/** One conversation for all the time. */
const STAYER = `
const c = require('net').connect(80, '${A.ip}', () => c.write('x'));
let heard = 0;
c.on('error', (error) => { console.log(error.code); process.exit(0); });
c.on('data', () => { heard += 1; setTimeout(() => c.write('x'), 10); });
setTimeout(() => { const before = heard; setTimeout(() => { console.log(JSON.stringify({ heard, alive: heard > before })); process.exit(0); }, 500); }, ${SECONDS * 1000 + 500});`;

test('clients of a flooded server', { skip: obstacle() }, async (t) => {
  const dom0 = await openDom0(t, { policy: POLICY });
  await dom0.start({ domid: 1, mac: A.mac, ip: A.ip, name: 'guest1' });
  const guest = await openStation(t, dom0, '/', 'guest1.0', { mac: A.mac, addresses: [`${A.ip}/24`] });
  const outside = await openStation(t, dom0, '/', 'gw0', { mac: G.mac, addresses: [`${G.ip}/24`] });
  // As a router has it: who is not there is beyond it.
  await guest.ns.check(['ip', 'route', 'add', 'default', 'via', G.ip]);
  guest.serveScript(ECHO(80));
  outside.serveScript(ECHO(443));
  const wire = await openWire(outside.ns, ['gw0']);
  t.after(() => wire.exit());
  await new Promise((resolve) => setTimeout(resolve, 1000));
  // However fast it is: nothing of what comes in is noted any more.
  await spend(dom0, await groupOf(dom0, 'vif1.0'), 'new-in');
  const all = [outside.script(ASKER(A.ip, 80)), guest.script(ASKER(G.ip, 443)), outside.script(STAYER)];
  const stranger = (at: number): string => `203.0.${at >> 8}.${at & 255}`;
  const [start, most] = [Date.now(), SECONDS * 1000];
  let sent = 0;
  for (; Date.now() - start < most; sent += 1) {
    const packet = ip4({ src: stranger(sent & 0xffff), dst: A.ip, protocol: 6 }, tcp(1024 + (sent >> 16), 80, SYN));
    await wire.send('gw0', frame(A.mac, G.mac, TYPE.ip, packet));
  }
  const [clients, own, stayer] = (await Promise.all(all)).map(
    ({ output }) => JSON.parse(output) as Record<string, number>,
  );
  t.diagnostic(JSON.stringify({ sent, clients, own, stayer }));
  // Of those that the flood keeps out nearly all are lost.
  for (const one of [clients, own]) {
    const { answered = 0, lost = 0 } = one ?? {};
    assert.ok(answered > 20 && lost <= answered / 20, JSON.stringify({ clients, own }));
  }
  assert.ok(stayer?.alive, JSON.stringify(stayer));
});
