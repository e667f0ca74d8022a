/**
 * A host without IPv6 (`ipv6.disable=1`): its settings are not there. Guests that have IPv4 are served as elsewhere,
 * and nothing is missed that cannot be; who has an address of IPv6 to be routed is told why not.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { launcher } from '../lab/program.ts';
import { obstacle } from './dom0.ts';
import { OFFLINE, ONLINE, openRoutedSite } from './routed-site.ts';
import { verified } from './verified.ts';

const skip = obstacle();
const MAC = '00:16:3e:00:00:01';
/** The program where the folder of these settings is empty, as nobody can take it away of a running kernel. */
const PROGRAM = [
  ...['unshare', '--mount', '--', 'sh', '-c'],
  `mount -t tmpfs none /proc/sys/net/ipv6 && exec ${launcher()} "$@"`,
  'sh',
];

test('a host without IPv6', { skip }, async (t) => {
  const { dom0 } = await openRoutedSite(t);
  const given: typeof dom0 = {
    ...dom0,
    admin: (args, options) => dom0.admin(args, { ...options, program: PROGRAM }),
  };
  for (const kind of ['routed', 'bridged'] as const) {
    await t.test(`a ${kind} guest of IPv4`, async () => {
      const how = { program: PROGRAM, ...(kind === 'routed' ? ONLINE : {}) };
      dom0.configure({ domid: 1, mac: MAC, ip: '10.0.0.5', ...(kind === 'routed' ? { gatewaydev: 'br0' } : {}) });
      await dom0.bench.addVif('vif1.0');
      const { status, stderr } = await dom0.hotplug('online', { domid: 1 }, how);
      assert.deepEqual([status, stderr], [0, ''], dom0.key(1, 'hotplug-error'));
      assert.deepEqual(await verified(given).then((now) => [now.status, now.lines]), [0, []]);
      assert.equal((await given.admin(['reapply', '--all'])).stderr, '');
      const end = kind === 'routed' ? OFFLINE : {};
      assert.equal((await dom0.hotplug('offline', { domid: 1 }, { program: PROGRAM, ...end })).status, 0);
      await dom0.bench.removeVif('vif1.0');
    });
  }
  await t.test('a routed guest of IPv6', async () => {
    dom0.configure({ domid: 2, mac: MAC, ip: '10.0.0.5 fd00::5', gatewaydev: 'br0' });
    await dom0.bench.addVif('vif2.0');
    assert.equal((await dom0.hotplug('online', { domid: 2 }, { program: PROGRAM, ...ONLINE })).status, 1);
    assert.match(dom0.key(2, 'hotplug-error') ?? '', /this host has no IPv6, and vif2\.0 has fd00::5/);
  });
});
