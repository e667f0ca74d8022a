/**
 * `out reject`: the guest is told, as a host would tell it, and only so often; its own rules let the answer through.
 * With routed vifs, because every kernel with nftables 5.10 and later can answer at a device; for ports of a bridge the
 * same chains are tried on the real Xen host (scenario `rules`), and here that they are refused where it cannot.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { REJECT_LIMIT } from '../../src/backends/nftables/rejections.ts';
import type { Namespace } from '../lab/namespace.ts';
import { obstacle } from './dom0.ts';
import { openRoutedSite } from './routed-site.ts';

/** Tries TCP and UDP as programs of a guest do, and prints what they are told. */
const TRY = `
const { connect } = require('node:net');
const { createSocket } = require('node:dgram');
const [, host, port] = process.argv;
const tcp = new Promise((done) => {
  connect(Number(port), host).on('error', ({ code }) => done(code)).on('connect', () => done('connected'));
});
const udp = new Promise((done) => {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', ({ code }) => { socket.close(); done(code); });
  socket.connect(Number(port), host, (error) => (error ? done('not even sent: ' + error.code) : socket.send('x')));
});
Promise.all([tcp, udp]).then((said) => { console.log(said.join(' ')); process.exit(); });
`;
/** Packets of UDP that nobody waits for the answers of. */
const FLOOD = `
const socket = require('node:dgram').createSocket('udp4');
const [, host, port, count] = process.argv;
let left = Number(count);
const next = () => { if (left-- > 0) socket.send('x', Number(port), host, next); else socket.close(); };
next();
`;

const tell = (guest: Namespace, host: string): Promise<string> => guest.check(['node', '-e', TRY, host, '25']);

/** Errors of ICMP that a guest has got. */
async function unreachable(guest: Namespace): Promise<number> {
  const [names = '', values = ''] = (await guest.check(['grep', '^Icmp:', '/proc/net/snmp'])).split('\n');
  return Number(values.split(' ')[names.split(' ').indexOf('InDestUnreachs')]);
}

test('who is rejected is told so by RST and by ICMP, and not in a flood', { skip: obstacle() }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-reject-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const site = await openRoutedSite(t, {
    policy: `[rules told]
in drop log
out reject udp,tcp 25
out drop
[rules quiet]
in drop
out allow
[defaults]
nwfilter_dir = ${folder}
[guest told]
rules = told
[guest filtered]
rules = quiet
nwfilter = told
[guest observed]
rules = told
mode = observe
`,
  });
  const { dom0 } = site;
  writeFileSync(
    join(folder, 'told.xml'),
    `<filter name='told' chain='root'>
      <rule action='reject' direction='out'><tcp dstportstart='25'/></rule>
      <rule action='reject' direction='out'><udp dstportstart='25'/></rule>
      <rule action='reject' direction='out'><tcp-ipv6 dstportstart='25'/></rule>
      <rule action='reject' direction='out'><udp-ipv6 dstportstart='25'/></rule>
      <rule action='drop' direction='inout'><all/></rule>
      <rule action='drop' direction='in'><tcp-ipv6/></rule>
      <rule action='drop' direction='in'><icmpv6 type='1'/></rule>
    </filter>`,
  );
  const guests = new Map<string, Namespace>();
  for (const [domid, name] of [
    [1, 'told'],
    [2, 'filtered'],
    [3, 'observed'],
  ] as const) {
    const mac = `00:16:3e:00:00:0${domid}`;
    await site.start({ domid, mac, ip: `10.0.0.${domid + 4} fd00::${domid + 4}`, name });
    assert.equal(dom0.key(domid, 'hotplug-status'), 'connected', dom0.key(domid, 'hotplug-error'));
    const guest = await site.guest(`vif${domid}.0`, mac);
    const config = await dom0.admin(['guest-config', `vif${domid}.0`]);
    await guest.check(['sh', '-e'], { input: config.stdout.replaceAll('/128 dev eth0', '/128 dev eth0 nodad') });
    guests.set(name, guest);
  }
  const guestOf = (name: string): Namespace => guests.get(name) ?? assert.fail(name);
  for (const name of ['told', 'filtered']) {
    // Linux: 3/13 is EHOSTUNREACH to a program, 1/1 EACCES.
    assert.equal(await tell(guestOf(name), '10.0.0.50'), 'ECONNREFUSED EHOSTUNREACH\n', name);
    assert.equal(await tell(guestOf(name), 'fd00::50'), 'ECONNREFUSED EACCES\n', name);
    const port = (await dom0.status()).find((one) => one.name === `vif${name === 'told' ? 1 : 2}.0`);
    const rule = port?.drops.find(({ reason, direction }) => reason === 'rule' && direction === 'from-guest');
    assert.ok((rule?.packets ?? 0) >= 4, `${name}: ${JSON.stringify(port?.drops)}`);
  }
  // Its own answers are nothing that `in drop` is asked about, or logs.
  const [told] = (await dom0.status()).filter(({ name }) => name === 'vif1.0');
  assert.deepEqual(
    told?.drops.filter(({ reason, direction }) => reason === 'rule' && direction === 'to-guest'),
    [],
  );

  // Who is only observed gets what is really there: here nobody listens.
  assert.equal(await tell(guestOf('observed'), '10.0.0.50'), 'ECONNREFUSED ECONNREFUSED\n');

  const sent = 20 * REJECT_LIMIT.burst;
  const before = await unreachable(guestOf('told'));
  const begun = Date.now();
  await guestOf('told').check(['node', '-e', FLOOD, '10.0.0.50', '25', String(sent)]);
  const seconds = (Date.now() - begun) / 1000;
  const answers = (await unreachable(guestOf('told'))) - before;
  assert.ok(answers > 0 && answers <= REJECT_LIMIT.burst + REJECT_LIMIT.rate * (seconds + 1), `${answers} answers`);
  // Another one has answers of its own.
  assert.equal(await tell(guestOf('filtered'), '10.0.0.50'), 'ECONNREFUSED EHOSTUNREACH\n');

  const { stdout } = await dom0.admin(['status']);
  assert.doesNotMatch(stdout, /damaged/);
});
