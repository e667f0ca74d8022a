/** What a web server with rules says and hears, by real programs: what is allowed works, what is not is refused. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import test from 'node:test';
import { obstacle } from './dom0.ts';
import { A, G } from './frames.ts';
import type { Ran } from './station.ts';
import { dnsOverTcp, openWebServer, programsObstacle, udpEcho, type WebServer } from './web-server.ts';

type Try = (server: WebServer) => Promise<Ran>;
const curl = (...words: string[]): string[] => ['/usr/bin/curl', '-sS', '--max-time', '4', ...words];

/** Each has to end with 0, and its output to look so. */
const WORKS: Readonly<Record<string, readonly [Try, RegExp]>> = {
  'curl fetches a page of 200 kB': [
    ({ outside }) => outside.run(curl('-o', '/dev/null', '-w', '%{http_code} %{size_download}', `http://${A.ip}/`)),
    /^200 200000/,
  ],
  'an ssh client is asked who it is': [
    async ({ outside }) => {
      const { output } = await outside.run(['usr/bin/dbclient', '-y', '-y', '-T', `nobody@${A.ip}`, 'true']);
      return { status: 0, output };
    },
    /No auth methods|Permission denied|password/i,
  ],
  'curl asks an FTP server, over its control connection': [
    ({ outside }) => outside.run(curl('-I', `ftp://${A.ip}/file`)),
    /Content-Length: 42/,
  ],
  'DNS over UDP, of the guest': [
    ({ outside }) => outside.run(['busybox', 'nslookup', '-type=a', 'web.test', A.ip]),
    /192\.0\.2\.80/,
  ],
  'DNS over TCP, of the guest': [({ outside }) => outside.script(dnsOverTcp(A.ip)), /^$/],
  'DNS over UDP, by the guest': [
    ({ guest }) => guest.run(['busybox', 'nslookup', '-type=a', 'web.test', G.ip]),
    /192\.0\.2\.80/,
  ],
  'DNS over TCP, by the guest': [({ guest }) => guest.script(dnsOverTcp(G.ip)), /^$/],
  'UDP of 5000 bytes, in fragments both ways': [({ outside }) => outside.script(udpEcho(A.ip, 7, 5000)), /^$/],
  ping: [({ outside }) => outside.run(['busybox', 'ping', '-c', '3', '-W', '2', A.ip]), / 0% packet loss/],
  'ping of 4000 bytes': [
    ({ outside }) => outside.run(['busybox', 'ping', '-c', '2', '-s', '4000', '-W', '2', A.ip]),
    / 0% packet loss/,
  ],
  // Its last answer is "port unreachable", an error about what was allowed.
  traceroute: [
    ({ outside }) => outside.run(['busybox', 'traceroute', '-n', '-q', '1', '-w', '2', '-m', '3', A.ip]),
    new RegExp(` 1  ${A.ip.replaceAll('.', '\\.')} `),
  ],
  'iperf3 over TCP': [({ outside }) => outside.run(['usr/bin/iperf3', '-c', A.ip, '-t', '1']), /receiver/],
  'iperf3 over TCP, to the client': [
    ({ outside }) => outside.run(['usr/bin/iperf3', '-c', A.ip, '-t', '1', '-R']),
    /receiver/,
  ],
  'iperf3 over UDP': [
    ({ outside }) => outside.run(['usr/bin/iperf3', '-c', A.ip, '-u', '-b', '5M', '-t', '1']),
    /receiver/,
  ],
};

/** Each has to fail. */
const REFUSED: Readonly<Record<string, Try>> = {
  'another port of the guest': ({ outside }) => outside.run(curl(`http://${A.ip}:8080/`)),
  'an echo at a port that is closed': ({ outside }) => outside.run(curl(`telnet://${A.ip}:9000`)),
  'the web, by the guest': ({ guest }) => guest.run(curl(`http://${G.ip}/`)),
  'ping, by the guest': ({ guest }) => guest.run(['busybox', 'ping', '-c', '2', '-W', '1', G.ip]),
  'UDP to another port': ({ outside }) => outside.script(udpEcho(A.ip, 8, 10)),
};

const skip = obstacle();

test('a web server with rules', { skip }, async (t) => {
  const found = await programsObstacle();
  if (typeof found === 'string') return t.skip(found);
  const server = await openWebServer(t, found.root);
  for (const [title, [attempt, expected]] of Object.entries(WORKS)) {
    await t.test(title, async () => {
      const { status, output } = await attempt(server);
      assert.equal(status, 0, output);
      assert.match(output, expected);
    });
  }
  for (const [title, attempt] of Object.entries(REFUSED)) {
    await t.test(`refused: ${title}`, async () => {
      const { status, output } = await attempt(server);
      assert.notEqual(status, 0, output);
    });
  }
  await t.test('all of them work or answer without rules, so it is the rules that refuse', async () => {
    writeFileSync(`${server.dom0.folder}/vif-bridge.ini`, '');
    assert.equal((await server.dom0.admin(['reapply', 'vif1.0'])).status, 0);
    const { 'an echo at a port that is closed': echo, ...others } = REFUSED;
    for (const [title, attempt] of Object.entries(others)) {
      const { status, output } = await attempt(server);
      assert.equal(status, 0, `${title}: ${output}`);
    }
    assert.ok(echo);
    // It is connected, and waits for what nobody says.
    assert.match((await echo(server)).output, /timed? ?-?out/i);
  });
});
