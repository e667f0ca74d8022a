/**
 * Debian's own vif-route and ours, one after the other in one namespace: for what stock can do the host routes the
 * same, and what it cannot is done, or refused by name.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type StockScripts, stockScripts } from '../lab/stock.ts';
import { LAUNCHER, obstacle } from './dom0.ts';
import { openRoutedSite, type RoutedSite, routeScript } from './routed-site.ts';

const skip = obstacle() || noIfconfig();

/** Stock's script calls it; Debian 12 does not install it by itself. */
function noIfconfig(): string | false {
  if (['/sbin/ifconfig', '/bin/ifconfig'].some((file) => existsSync(file))) return false;
  const why = 'needs net-tools';
  console.log(`skipped: ${why}`);
  return why;
}

interface Outcome {
  readonly status: string | undefined;
  readonly error: string | undefined;
  /** To the device, as `ip route` prints them, without the way to a block: ours goes by one neighbour. */
  readonly routes: readonly string[];
  /** Of the device, of IPv4. */
  readonly addresses: readonly string[];
  readonly proxies: string;
}

interface Asked {
  readonly domid: number;
  readonly mac: string;
  readonly ip: string;
  /** `br0` unless told. */
  readonly gatewaydev?: string;
}

/** A vif of its own, put into service by this script; it stays. */
async function online({ dom0 }: RoutedSite, script: string, asked: Asked): Promise<Outcome> {
  const { domid, gatewaydev = 'br0' } = asked;
  const device = `vif${domid}.0`;
  dom0.configure({ ...asked, gatewaydev });
  await dom0.bench.addVif(device);
  await dom0.hotplug('online', { domid }, { program: [script], env: { netdev: gatewaydev } });
  const lines = async (argv: string): Promise<string[]> =>
    (await dom0.ns.check(argv.split(' '))).split('\n').map((line) => line.trim());
  return {
    status: dom0.key(domid, 'hotplug-status'),
    error: dom0.key(domid, 'hotplug-error'),
    routes: [...(await lines(`ip route show dev ${device}`)), ...(await lines(`ip -6 route show dev ${device}`))]
      .filter((line) => line !== '' && !line.startsWith('fe80:'))
      .map((line) => line.replace(/ via \S+| onlink| scope link| (?:dead|linkdown)/g, '')),
    addresses: (await lines(`ip -4 -o addr show dev ${device}`)).flatMap((line) => / inet (\S+)/.exec(line)?.[1] ?? []),
    proxies: (await dom0.ns.check(['cat', `/proc/sys/net/ipv4/conf/${device}/proxy_arp`])).trim(),
  };
}

async function offline({ dom0 }: RoutedSite, script: string, domid: number): Promise<void> {
  const { status } = await dom0.hotplug('offline', { domid }, { program: [script], env: { netdev: 'br0' } });
  assert.equal(status, 0);
  await dom0.bench.removeVif(`vif${domid}.0`);
}

const MAC = '00:16:3e:00:00:01';
const OTHER = '00:16:3e:00:00:02';

/** `ip=`, and what ours makes of it. */
const CANNOT: readonly (readonly [what: string, ip: string, routes: readonly string[]])[] = [
  ['an IPv6 address', '10.0.0.5 fd00::5', ['10.0.0.5 src 10.0.0.1 metric 2', 'fd00::5 metric 2 pref medium']],
  ['the same one twice', '10.0.0.5 10.0.0.5', ['10.0.0.5 src 10.0.0.1 metric 2']],
  ["a length that is not the block's", '192.0.2.5/24', ['192.0.2.5 src 10.0.0.1 metric 2']],
  ['a semicolon', '10.0.0.5;10.0.0.6', ['10.0.0.5 src 10.0.0.1 metric 2', '10.0.0.6 src 10.0.0.1 metric 2']],
];

test("beside stock's vif-route", { skip }, async (t) => {
  const scripts: StockScripts = await stockScripts();
  t.after(() => scripts.remove());
  const [stock, ours] = [join(scripts.dir, 'vif-route'), routeScript(LAUNCHER)];
  const site = await openRoutedSite(t);
  const { dom0 } = site;
  let domid = 0;
  const once = async (script: string, asked: Omit<Asked, 'domid' | 'mac'>): Promise<Outcome> => {
    domid += 1;
    const outcome = await online(site, script, { domid, mac: MAC, ...asked });
    await offline(site, script, domid);
    return outcome;
  };

  for (const ip of ['10.0.0.5', '10.0.0.5 198.51.100.9', '198.51.100.0/28', '']) {
    await t.test(`the same routes for ip='${ip}'`, async () => {
      const [theirs, own] = [await once(stock, { ip }), await once(ours, { ip })];
      assert.deepEqual([theirs.status, theirs.routes.length], ['connected', ip.split(' ').filter(Boolean).length]);
      assert.deepEqual([own.status, own.routes], [theirs.status, theirs.routes]);
      // Who has no address has no router either.
      if (ip !== '') assert.deepEqual([own.addresses, own.proxies], [theirs.addresses, theirs.proxies]);
    });
  }

  for (const [what, ip, routes] of CANNOT) {
    await t.test(`stock fails with ${what}`, async () => {
      assert.equal((await once(stock, { ip })).status, 'error', what);
      const own = await once(ours, { ip });
      assert.deepEqual([own.status, own.error, own.routes], ['connected', undefined, routes]);
    });
  }

  await t.test('stock fails behind a device without IPv4', async () => {
    await dom0.ns.check(['ip', 'address', 'del', '203.0.113.1/24', 'dev', 'out0']);
    const gatewaydev = 'out0';
    assert.equal((await once(stock, { ip: '', gatewaydev })).status, 'error');
    assert.equal((await once(ours, { ip: '2001:db8:5::5', gatewaydev })).status, 'connected');
    const own = await once(ours, { ip: '10.0.0.5', gatewaydev });
    assert.match(own.error ?? '', /^out0 has no IPv4 address, and vif\d+\.0 has \(at gatewaydev\)|^out0 has no IPv4/);
  });

  await t.test('stock fails with an address that another vif has', async () => {
    for (const [script, expected] of [
      [stock, ['error', 'error']],
      [ours, ['connected', 'error']],
    ] as const) {
      const first = domid + 1;
      domid += 3;
      assert.equal((await online(site, script, { domid: first, mac: MAC, ip: '10.0.0.5' })).status, 'connected');
      // The same guest, as when it comes back by migration; and somebody else.
      const again = await online(site, script, { domid: first + 1, mac: MAC, ip: '10.0.0.5' });
      const else_ = await online(site, script, { domid: first + 2, mac: OTHER, ip: '10.0.0.5' });
      assert.deepEqual([again.status, else_.status], expected);
      if (script === ours) {
        assert.deepEqual(again.routes, ['10.0.0.5 src 10.0.0.1 metric 3']);
        assert.match(else_.error ?? '', /^10\.0\.0\.5 is also given to vif\d+\.0/);
      }
      for (const one of [first + 2, first + 1, first]) await offline(site, script, one);
    }
  });
  assert.equal(await dom0.ns.check(['nft', 'list', 'tables']), '');
});
