/**
 * A web server's rules change fifty times under load: no conversation that stays allowed is lost or disturbed, and
 * nobody gets in whom no version of them lets in.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { obstacle } from '../kernel/dom0.ts';
import { A } from '../kernel/frames.ts';
import { openWebServer, programsObstacle, webPolicy } from '../kernel/web-server.ts';

const ROUNDS = 50;

/** One conversation for the whole time, at an open port: says something, and wants it back, again and again. */
const CONVERSATION = `
const c = require('net').connect(9000, '${A.ip}');
let [said, heard] = [0, 0];
const end = (why) => { console.log(why, said, heard); process.exit(why === 'whole' ? 0 : 1); };
c.on('error', (error) => end(error.code));
c.on('close', () => end('closed'));
c.on('data', (d) => { heard += d.length; });
let last = Date.now();
setInterval(() => {
  if (heard === said) { last = Date.now(); said += 100; c.write(Buffer.alloc(100)); }
  else if (Date.now() - last > 8000) end('stuck');
}, 5);
process.stdin.on('end', () => { const wait = setInterval(() => { if (heard === said) { clearInterval(wait); end('whole'); } }, 5); }).resume();`;

/** Knocks at a port that no version of the rules opens, and at new ones of one that all open. */
const KNOCKS = `
const net = require('net');
const dgram = require('dgram');
const got = { refused: 0, refusedUdp: 0, open: 0, lost: 0 };
const knock = (port, yes, no) => {
  const c = net.connect(port, '${A.ip}');
  const timer = setTimeout(() => { c.destroy(); no(); }, 4000);
  c.on('connect', () => { clearTimeout(timer); yes(); c.destroy(); });
  c.on('error', () => {});
};
const s = dgram.createSocket('udp4');
s.on('message', () => { got.refusedUdp += 1; });
const timers = [
  setInterval(() => knock(9001, () => { got.refused += 1; }, () => {}), 10),
  setInterval(() => knock(80, () => { got.open += 1; }, () => { got.lost += 1; }), 20),
  setInterval(() => s.send('x', 8, '${A.ip}'), 5),
];
process.stdin.on('end', () => { timers.forEach(clearInterval); setTimeout(() => { console.log(JSON.stringify(got)); process.exit(0); }, 4500); }).resume();`;

/** Another text each time, and another order: what is allowed to last is in all of them. */
function version(round: number): string {
  const more = [`in allow tcp ${20_000 + round}`, 'in allow tcp 9000', `in drop udp ${30_000 + round}`];
  return webPolicy([...more.slice(round % 3), ...more.slice(0, round % 3)].join('\n'));
}

test('fifty re-applies under load', { skip: obstacle() }, async (t) => {
  const found = await programsObstacle();
  if (typeof found === 'string') return t.skip(found);
  const { dom0, outside } = await openWebServer(t, found.root, version(0));
  const ends = [CONVERSATION, KNOCKS].map((script) => {
    const child = outside.ns.spawn([process.execPath, '-e', script]);
    t.after(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', (data) => {
      output += String(data);
    });
    child.stderr.on('data', (data) => {
      output += String(data);
    });
    return { child, ended: new Promise<string>((resolve) => child.on('close', () => resolve(output))) };
  });
  const bulk = outside.run(
    ['usr/bin/iperf3', '-c', A.ip, '-b', '50M', '-t', '60', '--connect-timeout', '3000'],
    600_000,
  );
  for (let round = 1; round <= ROUNDS; round += 1) {
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), version(round));
    const result = await dom0.admin(['reapply', 'vif1.0']);
    assert.equal(result.status, 0, result.stderr);
  }
  const [conversation, knocks] = ends;
  assert.ok(conversation && knocks);
  conversation.child.stdin.end();
  knocks.child.stdin.end();
  assert.match(await conversation.ended, /^whole/);
  const got = JSON.parse(await knocks.ended) as Record<string, number>;
  assert.deepEqual({ ...got, open: 0 }, { refused: 0, refusedUdp: 0, open: 0, lost: 0 }, JSON.stringify(got));
  assert.ok((got.open ?? 0) > 100, JSON.stringify(got));
  const { status, output } = await bulk;
  assert.equal(status, 0, output);
  // One program is there, that of the last version: a chain for each direction.
  const chains = (await dom0.ns.check(['nft', 'list', 'ruleset', 'bridge'])).match(/chain rules\//g) ?? [];
  assert.equal(chains.length, 2);
});
