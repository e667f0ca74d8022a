/** What `metrics` prints: of whatever ports there are, text that both formats of Prometheus read. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { families } from '../../src/commands/metrics/families.ts';
import { openMetrics } from '../../src/commands/metrics/open-metrics.ts';
import type { HostStatus, PortStatus } from '../../src/commands/status.ts';
import { WELL } from '../commands/port-status.ts';
import { prometheus } from '../lab/prometheus.ts';

const PORT: PortStatus = {
  ...WELL,
  addresses: ['192.0.2.1', '2001:db8::1'],
  shared: ['192.0.2.1'],
  learned: [{ address: '192.0.2.9', seconds: 60 }],
  drops: [{ direction: 'from-guest', reason: 'arp-spa', packets: 7, bytes: 420 }],
  since: '2026-01-02T03:04:05.678Z',
};
/** A name that ends the label, the line and the text, and one that no terminal should see. */
const EVIL = 'a"} 1\n# EOF\\\u001b[2J\ud800\u202e';

const HOST: HostStatus = {
  backend: 'nftables',
  fills: [{ set: 'drops', elements: 3, size: 1_000_000 }],
  ports: [
    PORT,
    { ...PORT, name: 'vif2.0', guest: { domid: 2, name: EVIL }, addresses: [], shared: [], learned: [], drops: [] },
    { ...PORT, name: 'vif3.0', guest: { domid: 3, name: undefined }, observed: true, unfiltered: 'observe' },
    {
      ...PORT,
      name: 'vif4.0',
      mode: 'unrestricted',
      unfiltered: 'unlocked',
      overdue: '2026-01-02T03:05:00.000Z',
      state: 'damaged',
    },
    { ...PORT, name: 'vif5.0', mode: 'unrestricted', unfiltered: 'no_ip', since: '2026-01-02T04:00:00.000Z' },
    {
      ...PORT,
      name: 'vif6.0',
      state: 'unmanaged',
      unfiltered: 'unmanaged',
      mode: undefined,
      policyMode: undefined,
      since: undefined,
    },
    {
      ...PORT,
      name: 'vif7.0',
      state: 'exempt',
      unfiltered: 'unmanaged',
      mode: undefined,
      policyMode: undefined,
      since: undefined,
    },
  ],
};
const text = openMetrics(families(HOST, { host: 'dom0', version: '1' }));
const lines = text.split('\n');

test('counts of ports, by state and by what is open', () => {
  const counts = lines.filter((line) => /^xen_vif_(ports|open_ports)\{/.test(line));
  assert.deepEqual(counts, [
    'xen_vif_ports{state="managed"} 4',
    'xen_vif_ports{state="unmanaged"} 1',
    'xen_vif_ports{state="exempt"} 1',
    'xen_vif_ports{state="damaged"} 1',
    'xen_vif_open_ports{reason="observe"} 1',
    'xen_vif_open_ports{reason="unlocked"} 1',
    'xen_vif_open_ports{reason="no_ip"} 1',
  ]);
  assert.ok(lines.includes('xen_vif_overdue_ports 1'));
});

test('who may use which address, those that a DHCP server gave too', () => {
  assert.deepEqual(
    lines.filter((line) => /^xen_vif_address_info\{.*vif="vif1.0"/.test(line)),
    ['192.0.2.1', '2001:db8::1', '192.0.2.9'].map(
      (address) =>
        `xen_vif_address_info{mac="00:16:3e:00:00:01",address="${address}",guest="web1",vif="vif1.0",host="dom0"} 1`,
    ),
  );
  assert.ok(
    !lines.some((line) => /^xen_vif_address_info\{.*vif="vif[67].0"/.test(line)),
    'of strangers nothing is known',
  );
  assert.ok(lines.includes('xen_vif_shared_address_info{address="192.0.2.1",host="dom0"} 1'));
});

test('drops, and those that were only observed', () => {
  const drops = (name: string, vif: string): string[] =>
    lines.filter((line) => line.startsWith(`${name}{vif="${vif}"`));
  assert.deepEqual(drops('xen_vif_drops_total', 'vif1.0'), [
    'xen_vif_drops_total{vif="vif1.0",guest="web1",direction="from-guest",reason="arp-spa"} 7',
  ]);
  assert.deepEqual(drops('xen_vif_drops_total', 'vif3.0'), []);
  assert.equal(drops('xen_vif_observed_drops_total', 'vif3.0').length, 1);
});

test('when rules were loaded last', () => {
  assert.ok(lines.includes(`xen_vif_last_apply_timestamp_seconds ${Date.parse('2026-01-02T04:00:00Z') / 1000}`));
});

test('a hostile name stays inside its label', () => {
  assert.ok(
    lines.includes(
      'xen_vif_address_info{mac="00:16:3e:00:00:01",address="",guest="a\\"} 1\\n# EOF\\\\?[2J??",vif="vif2.0",host="dom0"} 1',
    ),
  );
  assert.deepEqual(
    lines.filter((line) => line === '# EOF'),
    ['# EOF'],
  );
  assert.ok(text.endsWith('\n# EOF\n'));
});

test('no series is there twice', () => {
  const series = lines.filter((line) => line.startsWith('xen_')).map((line) => line.slice(0, line.lastIndexOf(' ')));
  assert.equal(new Set(series).size, series.length);
});

const tools = await prometheus();
test('promtool and the parser of OpenMetrics read it', { skip: typeof tools === 'string' && tools }, async () => {
  assert.ok(typeof tools !== 'string');
  for (const one of [text, openMetrics(families({ ...HOST, ports: [] }, { host: 'dom0', version: '1' }))]) {
    const checked = await tools.promtool(['check', 'metrics'], one);
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    assert.equal(checked.stderr, '', 'nothing to improve');
    const parsed = await tools.openMetrics(one);
    assert.equal(parsed.status, 0, parsed.stderr);
  }
  const wrong = await tools.openMetrics(text.replace(/# EOF\n$/, ''));
  assert.notEqual(wrong.status, 0);
});
