/** A guest that is a web server with rules, in a network of its own, and a station of the outside; real programs. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { waitForForwarding } from '../lab/bench.ts';
import { unpackPackages } from '../lab/debian-packages.ts';
import { type Dom0, openDom0 } from './dom0.ts';
import { A, G } from './frames.ts';
import { openStation, type Station } from './station.ts';

/** What the guest may do. Port 9000 is open or not, as a test wants it. */
export function webPolicy(more = ''): string {
  return `
[rules web]
in  allow tcp 21,22,53,80,5201
in  allow udp 7,53,5201,33434-33534
in  allow icmp echo-request
${more}
in  drop
out allow udp,tcp 53 to ${G.ip}
out drop
[guest guest1]
rules = web
`;
}

const PACKAGES =
  'iperf3 libiperf0 libsctp1 dropbear-bin libtomcrypt1 libtommath1 busybox dnsmasq-base libnetfilter-conntrack3 libnfnetlink0 libidn2-0 libunistring2 libdbus-1-3 libnettle8 libhogweed6 libgmp10 libmnl0 libnftables1 libnftnl11 libjansson4'.split(
    ' ',
  );

/** Where the programs are, or why they cannot be had. */
export async function programsObstacle(): Promise<{ readonly root: string } | string> {
  if (!existsSync('/usr/bin/curl')) return 'needs curl';
  try {
    return { root: await unpackPackages(PACKAGES, 'rule-programs') };
  } catch (error) {
    return `needs iperf3, dropbear, busybox and dnsmasq of Debian: ${String(error).split('\n')[0]}`;
  }
}

export interface WebServer {
  readonly dom0: Dom0;
  readonly guest: Station;
  readonly outside: Station;
}

/** All servers run, and are asked for once from their own station. */
export async function openWebServer(t: TestContext, root: string, policy = webPolicy()): Promise<WebServer> {
  const dom0 = await openDom0(t, { policy });
  await dom0.start({ domid: 1, mac: A.mac, ip: A.ip, name: 'guest1' });
  const guest = await openStation(t, dom0, root, 'guest1.0', { mac: A.mac, addresses: [`${A.ip}/24`] });
  const outside = await openStation(t, dom0, root, 'gw0', { addresses: [`${G.ip}/24`] });
  await waitForForwarding(dom0.ns, 'vif1.0');
  const www = join(dom0.folder, 'www');
  mkdirSync(www);
  writeFileSync(join(www, 'index.html'), 'x'.repeat(200_000));
  for (const port of ['80', '8080']) guest.serve(['busybox', 'httpd', '-f', '-p', port, '-h', www]);
  outside.serve(['busybox', 'httpd', '-f', '-p', '80', '-h', www]);
  const key = join(dom0.folder, 'key');
  assert.equal((await guest.run(['usr/bin/dropbearkey', '-t', 'ed25519', '-f', key])).status, 0);
  guest.serve(['usr/sbin/dropbear', '-F', '-E', '-p', '22', '-r', key, '-P', join(dom0.folder, 'dropbear.pid')]);
  guest.serve(['usr/bin/iperf3', '-s']);
  for (const one of [guest, outside]) {
    one.serve([
      'usr/sbin/dnsmasq',
      ...['--keep-in-foreground', '--conf-file=/dev/null', '--user=root', '--no-resolv', '--no-hosts', '--pid-file'],
      '--address=/web.test/192.0.2.80',
    ]);
  }
  guest.serveScript(UDP_ECHO);
  guest.serveScript(FTP_SERVER);
  guest.serveScript(TCP_ECHO);
  for (const port of [21, 22, 80, 5201, 8080, 9000]) await listening(guest, port);
  for (const one of [guest, outside]) await listening(one, 53);
  return { dom0, guest, outside };
}

async function listening({ ns }: Station, port: number): Promise<void> {
  const listens = new RegExp(
    `^ *\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F:]+ 0A `,
    'm',
  );
  for (let tries = 0; tries < 100; tries += 1) {
    if (listens.test(await ns.check(['cat', '/proc/net/tcp', '/proc/net/tcp6']))) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nobody listens at ${port}`);
}

const UDP_ECHO = `
for (const port of [7, 8]) {
  const s = require('dgram').createSocket('udp4');
  s.on('message', (m, r) => s.send(m, r.port, r.address));
  s.bind(port);
}`;

/** Says back what it hears, at port 9000 and, for tests of what is refused, 9001. */
const TCP_ECHO = `
for (const port of [9001, 9000]) require('net').createServer((c) => { c.on('error', () => {}); c.pipe(c); }).listen(port);`;

/** As much of RFC 959 as a client needs to look whether a file is there: no connection for data. */
const FTP_SERVER = `
require('net').createServer((c) => {
  const say = (text) => c.write(text + '\\r\\n');
  const answers = { USER: '331 password', PASS: '230 welcome', PWD: '257 "/"', CWD: '250 ok', TYPE: '200 ok', SIZE: '213 42', MDTM: '213 20260101000000', REST: '350 ok', QUIT: '221 bye' };
  c.on('error', () => {});
  say('220 ready');
  c.on('data', (d) => d.toString().split('\\r\\n').filter(Boolean).forEach((line) => say(answers[line.split(' ')[0].toUpperCase()] ?? '502 no')));
}).listen(21);`;

/** Sends so many bytes, waits for the same ones, and ends with 0 if they came. */
export function udpEcho(to: string, port: number, bytes: number): string {
  return `
const s = require('dgram').createSocket('udp4');
const sent = Buffer.alloc(${bytes}, 'xyz');
s.on('message', (m) => process.exit(m.equals(sent) ? 0 : 2));
s.send(sent, ${port}, '${to}');
setTimeout(() => process.exit(1), 3000);`;
}

/** Asks for web.test over TCP (RFC 7766), and ends with 0 if the answer has an address. */
export function dnsOverTcp(to: string): string {
  return `
const query = Buffer.from('001b000101000001000000000000' + '03776562' + '0474657374' + '00' + '00010001', 'hex');
query.writeUInt16BE(query.length - 2, 0);
const c = require('net').connect(53, '${to}', () => c.write(query));
c.on('error', () => process.exit(3));
c.on('data', (d) => process.exit(d.readUInt16BE(8) > 0 && d.includes(Buffer.from([192, 0, 2, 80])) ? 0 : 2));
setTimeout(() => process.exit(1), 3000);`;
}
