import assert from 'node:assert/strict';
import test from 'node:test';
import { readAddresses, readBridgeLinks, readEntries, readLinks, type SeenLink } from '../../src/port/seen-port.ts';
import { refusal } from '../net/refusal.ts';
import { recorded, VERSIONS } from './recorded.ts';

const link = (text: string, name: string): SeenLink | undefined => readLinks(text).find((one) => one.name === name);

for (const version of VERSIONS) {
  test(`iproute2 ${version}: every device is read`, () => {
    const links = readLinks(recorded('link', version));
    assert.deepEqual(
      links.map(({ name }) => name),
      ['lo', 'br0', 'up0', 'vif1.0', 'web0', 'web0-emu', 'vif3.0'],
    );
    assert.deepEqual(
      links.map(({ port }) => port !== undefined),
      [false, false, true, true, true, true, false],
    );
  });

  test(`iproute2 ${version}: a port is read with all that is set on it`, () => {
    assert.deepEqual(link(recorded('link', version), 'web0'), {
      ifindex: 5,
      name: 'web0',
      up: true,
      mtu: 1400,
      group: '1073741829',
      master: 'br0',
      address: 'fe:ff:ff:ff:ff:ff',
      alias: 'vif2.0',
      addrgenmode: 'none',
      port: {
        learning: true,
        hairpin: false,
        rootBlock: true,
        flood: true,
        mcastFlood: true,
        bcastFlood: true,
        isolated: false,
        locked: false,
        backup: undefined,
      },
      noLinkLocalLearn: undefined,
    } satisfies SeenLink);
  });

  test(`iproute2 ${version}: a device that nobody configured is read, and a bridge`, () => {
    const vif = link(recorded('link', version), 'vif3.0');
    assert.deepEqual(
      [vif?.up, vif?.group, vif?.master, vif?.alias, vif?.addrgenmode, vif?.port],
      [false, 'default', undefined, undefined, 'eui64', undefined],
    );
    assert.equal(link(recorded('link', version), 'br0')?.noLinkLocalLearn, true);
  });

  test(`iproute2 ${version}: forwarding entries are read: pinned, learned, dom0's, and those of no bridge`, () => {
    const entries = readEntries(recorded('fdb', version));
    const of = (port: string, mac: string): unknown => entries.find((one) => one.port === port && one.mac === mac);
    assert.deepEqual(of('vif1.0', '00:16:3e:00:00:01'), {
      mac: '00:16:3e:00:00:01',
      port: 'vif1.0',
      bridge: 'br0',
      vlan: undefined,
      state: 'static',
      flags: ['sticky'],
    });
    assert.deepEqual(of('web0', '00:16:3e:00:00:02'), {
      mac: '00:16:3e:00:00:02',
      port: 'web0',
      bridge: 'br0',
      vlan: undefined,
      state: '',
      flags: [],
    });
    assert.deepEqual(of('vif1.0', 'fe:ff:ff:ff:ff:ff'), {
      mac: 'fe:ff:ff:ff:ff:ff',
      port: 'vif1.0',
      bridge: 'br0',
      vlan: undefined,
      state: 'permanent',
      flags: [],
    });
    assert.deepEqual(of('vif1.0', '33:33:00:00:00:01'), {
      mac: '33:33:00:00:00:01',
      port: 'vif1.0',
      bridge: undefined,
      vlan: undefined,
      state: 'permanent',
      flags: ['self'],
    });
  });

  test(`iproute2 ${version}: addresses of dom0 are read`, () => {
    const addresses = readAddresses(recorded('address', version));
    assert.deepEqual(
      addresses.filter(({ device }) => device !== 'up0'),
      [
        { device: 'lo', text: '127.0.0.1/8' },
        { device: 'lo', text: '::1/128' },
        { device: 'br0', text: '10.0.0.1/24' },
        { device: 'br0', text: 'fe80::ff:fe00:b0/64' },
        { device: 'vif3.0', text: '10.9.9.1/24' },
      ],
    );
  });
}

test('what an older kernel does not tell is not told, and what it must tell is missing', () => {
  const without = (key: string): string => recorded('link', '6.1').replaceAll(new RegExp(`,"${key}":[a-z]+`, 'g'), '');
  for (const [key, known] of [
    ['locked', 'locked'],
    ['isolated', 'isolated'],
    ['mcast_flood', 'mcastFlood'],
    ['bcast_flood', 'bcastFlood'],
  ] as const) {
    assert.equal(link(without(key), 'vif1.0')?.port?.[known], undefined, key);
  }
  for (const key of ['learning', 'hairpin', 'root_block', 'flood']) {
    const failure = refusal(readLinks, without(key));
    assert.equal(failure.message, `[2].linkinfo.info_slave_data.${key} is absent, and must be true or false`);
    assert.equal(failure.at, 'the output of ip -j -d link show');
  }
});

test('a bridge that does not tell of link-local learning is read', () => {
  const old = recorded('link', '6.1').replace(',"no_linklocal_learn":1', '');
  assert.equal(link(old, 'br0')?.noLinkLocalLearn, undefined);
  assert.equal(link(old.replace('"stp_state"', '"no_linklocal_learn":0,"stp_state"'), 'br0')?.noLinkLocalLearn, false);
});

test('a port of a bond is not taken for a port of a bridge', () => {
  const text = recorded('link', '6.1').replaceAll('"info_slave_kind":"bridge"', '"info_slave_kind":"bond"');
  assert.ok(readLinks(text).every(({ port }) => port === undefined));
});

const REFUSED: readonly (readonly [what: string, read: (text: string) => unknown, text: string, because: string])[] = [
  ['half an output', readLinks, recorded('link', '6.1').slice(0, 900), 'it is no JSON text'],
  ['no output', readEntries, '', 'it is no JSON text'],
  [
    'words in place of switches',
    readLinks,
    recorded('link', '6.1').replace('"learning":true', '"learning":"on"'),
    '[2].linkinfo.info_slave_data.learning is "on", and must be true or false',
  ],
  [
    'a number in place of a group',
    readLinks,
    recorded('link', '6.1').replace('"group":"default"', '"group":0'),
    '[0].group is 0, and must be a text',
  ],
  [
    'a switch that is neither on nor off',
    readLinks,
    recorded('link', '6.1').replace('"no_linklocal_learn":1', '"no_linklocal_learn":2'),
    '[1].linkinfo.info_data.no_linklocal_learn is 2, and must be 0 or 1',
  ],
  [
    'an entry of no device',
    readEntries,
    '[{"mac":"00:16:3e:00:00:01","flags":[],"state":"static"}]',
    '[0].ifname is absent, and must be a text',
  ],
  [
    'an address without a length',
    readAddresses,
    '[{"ifname":"lo","addr_info":[{"local":"::1"}]}]',
    '[0].addr_info[0].prefixlen is absent, and must be a whole number',
  ],
];

for (const [what, read, text, because] of REFUSED) {
  test(`refused: ${what}`, () => assert.equal(refusal(read, text).message, because));
}

test('what bridge(8) tells of a port is read: the limit of multicast groups, and what ip-link(8) tells too', () => {
  const port = { learning: true, hairpin: false, root_block: false, flood: true, locked: false };
  const of = (more: object): string => JSON.stringify([{ ifindex: 4, ifname: 'v1', ...more }]);
  const [told] = readBridgeLinks(of({ ...port, mab: false, mcast_n_groups: 1, mcast_max_groups: 65 }));
  assert.deepEqual([told?.name, told?.maxGroups, told?.port?.locked], ['v1', 65, false]);
  assert.equal(readBridgeLinks(of(port))[0]?.maxGroups, undefined);
  // A card with a switch of its own (ixgbe, mlx5) is no port.
  assert.deepEqual(readBridgeLinks(of({ flags: ['UP'], hwmode: 'VEB' })), [
    { name: 'v1', port: undefined, maxGroups: undefined, carrier: false },
  ]);
});
