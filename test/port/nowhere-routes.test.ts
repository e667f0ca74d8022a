import assert from 'node:assert/strict';
import test from 'node:test';
import { parsePrefix } from '../../src/net/ip-prefix.ts';
import { endingHere, nowhereRoutes } from '../../src/port/nowhere-routes.ts';

// As Linux 6.18 prints them, of IPv4 on a little endian host: blackhole, unreachable, prohibit, and others.
const ROUTES = [
  'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
  'v0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
  '*\t0700000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0',
  '*\t0800000A\t00000000\t0205\t0\t0\t5\tFFFFFFFF\t0\t0\t0',
  '*\t000064C6\t00000000\t0005\t0\t0\t0\tF8FFFFFF\t0\t0\t0',
].join('\n');
const ZERO = '00000000000000000000000000000000';
const ROUTES6 = [
  `fd000000000000000000000000000007 80 ${ZERO} 00 ${ZERO} 00000001 00000002 00000000 00200200       lo`,
  `fd000001000000000000000000000000 40 ${ZERO} 00 ${ZERO} 00000400 00000001 00000000 00200200       lo`,
  `fe800000000000000000000000000000 40 ${ZERO} 00 ${ZERO} 00000100 00000002 00000000 00000001       v1`,
  `${ZERO} 00 ${ZERO} 00 ${ZERO} ffffffff 00000001 00000000 00200200       lo`,
  `00000000000000000000000000000001 80 ${ZERO} 00 ${ZERO} 00000000 00000002 00000000 80200001       lo`,
].join('\n');

const all = nowhereRoutes(ROUTES, ROUTES6);
const ending = (own: string, metric: number): string[] =>
  endingHere(
    all,
    own.split(' ').flatMap((one) => parsePrefix(one) ?? []),
    metric,
  ).map(({ to }) => to.text);

test('routes that end here', () => {
  assert.deepEqual(
    all.map(({ to, metric }) => `${to.text} ${metric}`),
    ['10.0.0.7 0', '10.0.0.8 5', '198.100.0.0/29 0', 'fd00::7 1', 'fd00:1::/64 1024'],
  );
  assert.deepEqual(nowhereRoutes('', ''), []);
});

test('those that hold', () => {
  assert.deepEqual(ending('10.0.0.7 10.0.0.8 fd00::7 fd00:1::/64', 2), ['10.0.0.7', 'fd00::7']);
  assert.deepEqual(ending('10.0.0.8 fd00:1::/64', 2000), ['10.0.0.8', 'fd00:1::/64']);
  // One that is wider has its own route to the guest; a part of a block is told whatever its metric is.
  assert.deepEqual(ending('198.100.0.1 fd00:1::5', 2), []);
  assert.deepEqual(ending('198.100.0.0/28 fd00:1::/48', 2), ['198.100.0.0/29', 'fd00:1::/64']);
});
