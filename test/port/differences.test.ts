import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMac } from '../../src/net/mac-address.ts';
import { type Difference, differences, type SeenPort, type Setting } from '../../src/port/differences.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import {
  readAddresses,
  readEntries,
  readLinks,
  type SeenBridgePort,
  type SeenEntry,
  type SeenLink,
} from '../../src/port/seen-port.ts';
import { MOST_GROUPS, type PortSetup, type WishedPort, wishPort } from '../../src/port/wished-port.ts';
import { recorded, VERSIONS, type Version } from './recorded.ts';

/** One port of the recorded namespace. */
function seen(name: string, version: Version = '6.1'): SeenPort {
  const links = readLinks(recorded('link', version));
  const link = links.find((one) => one.name === name);
  assert.ok(link !== undefined);
  return {
    link,
    bridge: links.find((one) => one.name === 'br0'),
    entries: readEntries(recorded('fdb', version)),
    addresses: readAddresses(recorded('address', version)),
    maxGroups: MOST_GROUPS,
    ipv6: false,
  };
}

/** As the ports were wished when that was recorded. */
function wished(more: Partial<PortSetup> = {}): WishedPort {
  return wishPort({
    device: 'vif1.0',
    name: 'vif1.0',
    group: guestGroup(4),
    bridge: 'br0',
    macs: [parseMac('00:16:3e:00:00:01', 'the test')],
    mtu: 1400,
    rename: false,
    binding: 'pinned',
    ...more,
  });
}

const SHARED = {
  device: 'vif2.0',
  name: 'web0',
  group: guestGroup(5),
  macs: [parseMac('00:16:3e:00:00:02', 'the test')],
  binding: 'shared',
  quietLinkLocal: true,
} as const;
const TAP = { ...SHARED, device: 'vif2.0-emu', name: 'web0-emu', group: guestGroup(6) } as const;

for (const version of VERSIONS) {
  test(`iproute2 ${version}: ports that were set up by our lines are as wished`, () => {
    assert.deepEqual(differences(wished(), seen('vif1.0', version)), []);
    assert.deepEqual(differences(wished(SHARED), seen('web0', version)), []);
    assert.deepEqual(differences(wished(TAP), seen('web0-emu', version)), []);
  });

  test(`iproute2 ${version}: of a port that nobody configured everything is named that it has not`, () => {
    const setup = { device: 'vif3.0', name: 'vif3.0', group: guestGroup(7) };
    const found = differences(wished(setup), { ...seen('vif3.0', version), ipv6: true });
    assert.deepEqual(
      found.map((one) => `${one.what}: ${one.found} in place of ${one.wished}${one.security ? ' (!)' : ''}`),
      [
        'state: down in place of up',
        'group: default in place of 1073741831 (!)',
        'mtu: 1500 in place of 1400',
        'addrgenmode: eui64 in place of none (!)',
        'addresses: 10.9.9.1/24 in place of none (!)',
        'ipv6: on in place of off (!)',
        'master: none in place of br0',
      ],
    );
  });
}

const withLink = (change: Partial<SeenLink>, of = seen('vif1.0')): SeenPort => ({
  ...of,
  link: { ...of.link, ...change },
});
const withPort = (change: Partial<SeenBridgePort>, of = seen('vif1.0')): SeenPort => {
  assert.ok(of.link.port !== undefined);
  return withLink({ port: { ...of.link.port, ...change } }, of);
};
const withBridge = (change: Partial<SeenLink>, of: SeenPort): SeenPort => {
  assert.ok(of.bridge !== undefined);
  return { ...of, bridge: { ...of.bridge, ...change } };
};
const withEntry = (entry: Partial<SeenEntry>, of = seen('vif1.0')): SeenPort => {
  const other = { mac: '02:00:00:00:00:66', port: of.link.name, bridge: 'br0', vlan: undefined, state: '', flags: [] };
  return { ...of, entries: [...of.entries, { ...other, ...entry }] };
};
/** The entry of the guest changed; undefined: gone. */
const withOwnEntry = (change: Partial<SeenEntry> | undefined, of = seen('vif1.0')): SeenPort => ({
  ...of,
  entries: of.entries.flatMap((entry) =>
    entry.mac !== '00:16:3e:00:00:01' ? [entry] : change === undefined ? [] : [{ ...entry, ...change }],
  ),
});
const OWN = '00:16:3e:00:00:01';
/** On a bridge that filters VLANs: the guest's MAC learned in another one than that of its start. */
const withLearned = (port: string): SeenPort =>
  withEntry({ mac: OWN, port, vlan: 10 }, withPort({ learning: true, locked: false }));
/** VLANs: first, last, of what comes in without a tag, of what leaves without one. */
const withVlans = (...rows: readonly (readonly [number, number, boolean, boolean])[]): SeenPort => ({
  ...seen('vif1.0'),
  vlans: rows.map(([first, last, pvid, untagged]) => ({ port: 'vif1.0', first, last, pvid, untagged })),
});
const ANCHORED = wished({ binding: 'anchored' });
const PINNED = `${OWN} static sticky at vif1.0`;

interface Change {
  readonly what: string;
  readonly seen: SeenPort;
  readonly wished?: WishedPort;
  readonly is: readonly [what: string, wished: string, found: string, security: boolean];
}

/** For each setting what is seen when it alone is another one, and how that is named. */
const CHANGES: Readonly<Record<Setting, readonly Change[]>> = {
  name: [
    {
      what: 'renamed by hand',
      // The kernel tells of the same device under its new name.
      seen: (() => {
        const of = seen('vif1.0');
        const entries = of.entries.map((one) => (one.port === 'vif1.0' ? { ...one, port: 'mine' } : one));
        return { ...withLink({ name: 'mine' }, of), entries };
      })(),
      is: ['name', 'vif1.0', 'mine', true],
    },
  ],
  alias: [
    {
      what: 'the first name forgotten',
      seen: withLink({ alias: undefined }, seen('web0')),
      wished: wished(SHARED),
      is: ['alias', 'vif2.0', 'none', false],
    },
  ],
  up: [{ what: 'down', seen: withLink({ up: false }), is: ['state', 'up', 'down', false] }],
  group: [
    { what: 'no group', seen: withLink({ group: 'default' }), is: ['group', '1073741828', 'default', true] },
    {
      what: 'the group of another port',
      seen: withLink({ group: '1073741829' }),
      is: ['group', '1073741828', '1073741829', true],
    },
  ],
  mtu: [{ what: 'another MTU', seen: withLink({ mtu: 1500 }), is: ['mtu', '1400', '1500', false] }],
  address: [
    {
      what: 'another MAC on the side of dom0',
      // Its own address is its own, whatever it is.
      seen: (() => {
        const of = seen('vif1.0');
        const address = '02:00:00:00:00:77';
        const entries = of.entries.map((one) => (one.mac === of.link.address ? { ...one, mac: address } : one));
        return { ...withLink({ address }, of), entries };
      })(),
      is: ['address', 'fe:ff:ff:ff:ff:ff', '02:00:00:00:00:77', false],
    },
  ],
  addrgenmode: [
    {
      what: 'an address may be made',
      seen: withLink({ addrgenmode: 'eui64' }),
      is: ['addrgenmode', 'none', 'eui64', true],
    },
  ],
  addresses: [
    {
      what: 'dom0 has addresses there',
      seen: {
        ...seen('vif1.0'),
        addresses: [
          { device: 'vif1.0', text: '10.0.0.9/24' },
          { device: 'vif1.0', text: 'fe80::9/64' },
          { device: 'br0', text: '10.0.0.1/24' },
        ],
      },
      is: ['addresses', 'none', '10.0.0.9/24 fe80::9/64', true],
    },
  ],
  ipv6: [{ what: 'IPv6 on', seen: { ...seen('vif1.0'), ipv6: true }, is: ['ipv6', 'off', 'on', true] }],
  bridge: [
    {
      what: 'taken off the bridge',
      seen: withOwnEntry(undefined, withLink({ master: undefined, port: undefined })),
      is: ['master', 'br0', 'none', false],
    },
    {
      what: 'on another bridge, with what the kernel gives a new port',
      seen: withOwnEntry(undefined, withPort({ learning: true, locked: false }, withLink({ master: 'br1' }))),
      is: ['master', 'br0', 'br1', true],
    },
  ],
  learning: [
    { what: 'learning', seen: withPort({ learning: true }), is: ['learning', 'off', 'on', true] },
    {
      what: 'a shared port that does not learn',
      seen: withPort({ learning: false }, seen('web0')),
      wished: wished(SHARED),
      is: ['learning', 'on', 'off', false],
    },
  ],
  locked: [
    { what: 'not locked', seen: withPort({ locked: false }), is: ['locked', 'on', 'off', true] },
    {
      what: 'a kernel without locked ports',
      seen: withPort({ locked: undefined }),
      is: ['locked', 'on', 'not told', true],
    },
    {
      what: 'a shared port that is locked',
      seen: withPort({ locked: true }, seen('web0')),
      wished: wished(SHARED),
      is: ['locked', 'off', 'on', false],
    },
  ],
  rootBlock: [{ what: 'may be root', seen: withPort({ rootBlock: false }), is: ['root_block', 'on', 'off', true] }],
  quietLinkLocal: [
    {
      what: 'the bridge learns from link-local frames',
      seen: withBridge({ noLinkLocalLearn: false }, seen('web0')),
      wished: wished(SHARED),
      is: ['no_linklocal_learn', 'on', 'off', true],
    },
    {
      what: 'a kernel that cannot leave it',
      seen: withBridge({ noLinkLocalLearn: undefined }, seen('web0')),
      wished: wished(SHARED),
      is: ['no_linklocal_learn', 'on', 'not told', true],
    },
  ],
  backup: [
    {
      what: 'nowhere to go while the link is down',
      seen: seen('vif1.0'),
      wished: wished({ backup: 'up0' }),
      is: ['backup_port', 'up0', 'none', false],
    },
    {
      what: 'another place to go',
      seen: withPort({ backup: 'vif3.0' }),
      wished: wished({ backup: 'up0' }),
      is: ['backup_port', 'up0', 'vif3.0', false],
    },
  ],
  maxGroups: [
    {
      what: 'any number of multicast groups',
      seen: { ...seen('vif1.0'), maxGroups: 0 },
      is: ['mcast_max_groups', '64', '0', true],
    },
  ],
  hairpin: [{ what: 'hairpin', seen: withPort({ hairpin: true }), is: ['hairpin', 'off', 'on', false] }],
  isolated: [{ what: 'isolated', seen: withPort({ isolated: true }), is: ['isolated', 'off', 'on', false] }],
  flood: [{ what: 'no flood', seen: withPort({ flood: false }), is: ['flood', 'on', 'off', false] }],
  mcastFlood: [
    { what: 'no multicast', seen: withPort({ mcastFlood: false }), is: ['mcast_flood', 'on', 'off', false] },
  ],
  bcastFlood: [
    { what: 'no broadcast', seen: withPort({ bcastFlood: false }), is: ['bcast_flood', 'on', 'off', false] },
  ],
  vlan: [
    {
      what: 'in another VLAN',
      seen: withVlans([10, 10, true, true]),
      wished: wished({ vlan: 20 }),
      is: ['pvid', '20', '10', true],
    },
    {
      what: 'out of some of its VLANs',
      seen: withVlans([1, 1, true, true], [10, 14, false, false], [16, 20, false, false]),
      wished: wished({ trunk: ['10-20'] }),
      is: ['tagged', '10-20', '10-14 16-20', false],
    },
    {
      what: 'in more VLANs, with one of frames without a tag that is said',
      seen: withVlans([5, 5, true, true], [10, 21, false, false]),
      wished: wished({ vlan: 5, trunk: ['10-20'] }),
      is: ['tagged', '10-20', '10-21', false],
    },
  ],
  entries: [
    {
      what: 'an entry that was learned in a VLAN that came later',
      seen: withLearned('vif1.0'),
      wished: ANCHORED,
      is: ['fdb', PINNED, `${OWN} static sticky at vif1.0, learned at vif1.0 in VLAN 10`, false],
    },
    {
      what: 'an entry that somebody else took there',
      seen: withLearned('up0'),
      wished: ANCHORED,
      is: ['fdb', PINNED, `${OWN} static sticky at vif1.0, learned at up0 in VLAN 10`, true],
    },
    { what: 'no entry', seen: withOwnEntry(undefined), is: ['fdb', PINNED, `${OWN} none`, true] },
    {
      what: 'an entry that moves to whoever forges a frame',
      seen: withOwnEntry({ flags: [] }),
      is: ['fdb', PINNED, `${OWN} static at vif1.0`, true],
    },
    {
      what: 'an entry that was learned',
      seen: withOwnEntry({ state: '', flags: [] }),
      is: ['fdb', PINNED, `${OWN} learned at vif1.0`, true],
    },
    {
      what: 'an entry by which dom0 takes the frames of the guest',
      seen: withOwnEntry({ state: 'permanent', flags: [] }),
      is: ['fdb', PINNED, `${OWN} permanent at vif1.0`, true],
    },
    {
      what: 'an entry at another port',
      seen: withOwnEntry({ port: 'up0', state: '', flags: [] }),
      is: ['fdb', PINNED, `${OWN} learned at up0`, true],
    },
    {
      what: 'the very entry at another port',
      seen: withOwnEntry({ port: 'up0' }),
      is: ['fdb', PINNED, `${OWN} static sticky at up0`, true],
    },
    {
      what: 'an entry that stays at its port, but not for ever',
      seen: withOwnEntry({ state: '' }),
      is: ['fdb', PINNED, `${OWN} learned sticky at vif1.0`, true],
    },
    {
      what: 'in one VLAN an entry at another port',
      seen: withEntry({ mac: OWN, port: 'up0' }),
      is: ['fdb', PINNED, `${OWN} static sticky at vif1.0, learned at up0`, true],
    },
    {
      what: 'the same entry on another bridge only',
      seen: withOwnEntry({ bridge: 'br1' }),
      is: ['fdb', PINNED, `${OWN} none`, true],
    },
  ],
  stations: [
    {
      what: 'a foreign MAC learned',
      seen: withEntry({}),
      is: ['fdb', 'no other entry', '02:00:00:00:00:66 learned', true],
    },
    {
      what: 'a foreign MAC that was learned long ago',
      seen: withEntry({ state: 'stale' }, seen('web0')),
      wished: wished(SHARED),
      is: ['fdb', 'no other entry', '02:00:00:00:00:66 learned', true],
    },
    {
      what: 'a foreign MAC set by hand, which locked lets through',
      seen: withEntry({ state: 'static' }),
      is: ['fdb', 'no other entry', '02:00:00:00:00:66 static', true],
    },
    {
      what: 'a foreign MAC whose frames dom0 takes',
      seen: withEntry({ state: 'permanent' }),
      is: ['fdb', 'no other entry', '02:00:00:00:00:66 permanent', true],
    },
    {
      what: 'a shared MAC that is pinned to one of its ports',
      seen: withEntry({ mac: '00:16:3e:00:00:02', state: 'static', flags: ['sticky'] }, seen('web0-emu')),
      wished: wished(TAP),
      is: ['fdb', '00:16:3e:00:00:02 learned', '00:16:3e:00:00:02 static sticky', false],
    },
  ],
};

for (const [setting, changes] of Object.entries(CHANGES)) {
  for (const change of changes) {
    test(`${setting}: ${change.what} is named, and nothing else`, () => {
      const [what, wish, found, security] = change.is;
      const expected: Difference[] = [{ what, wished: wish, found, security }];
      assert.deepEqual(differences(change.wished ?? wished(), change.seen), expected);
    });
  }
}

const AS_WISHED: readonly (readonly [what: string, wished: WishedPort, seen: SeenPort])[] = [
  ['an MTU where none is wished', wished({ mtu: 0 }), withLink({ mtu: 9000 })],
  ['an alias of somebody else on a port that was not renamed', wished(), withLink({ alias: 'my web server' })],
  ['no word of address generation where the kernel has no IPv6', wished(), withLink({ addrgenmode: undefined })],
  [
    'a kernel without locked ports for a port that is not to be locked',
    wished(SHARED),
    withPort({ locked: undefined }, seen('web0')),
  ],
  [
    'switches that an older kernel has not got',
    wished(),
    withPort({ isolated: undefined, mcastFlood: undefined, bcastFlood: undefined }),
  ],
  ['a bridge that ignores link-local frames for another port', wished(), seen('vif1.0')],
  [
    'a guest that has not talked for a while',
    wished(SHARED),
    withEntry({ mac: SHARED.macs[0], state: 'stale' }, seen('web0')),
  ],
  ['an entry of the device itself, which no bridge asks', wished(), withEntry({ bridge: undefined, flags: ['self'] })],
  ['the MAC of another guest at another port', wished(), withEntry({ port: 'up0' })],
  ['the same entry once more, for a VLAN', wished(), withEntry({ mac: OWN, state: 'static', flags: ['sticky'] })],
  [
    'whoever talks at an open port, and whether it may be root',
    wished({ binding: 'unpinned' }),
    withEntry({}, withPort({ learning: true, locked: false, rootBlock: false })),
  ],
];

for (const [what, wish, found] of AS_WISHED) {
  test(`as wished: ${what}`, () => assert.deepEqual(differences(wish, found), []));
}

test('all that differs is named, in one order', () => {
  const found = withOwnEntry(undefined, withPort({ learning: true, isolated: true }, withLink({ mtu: 68, up: false })));
  assert.deepEqual(
    differences(wished(), found).map(({ what }) => what),
    ['state', 'mtu', 'fdb', 'learning', 'isolated'],
  );
});

test('a link that was asked for without details is not taken for a hardened one', () => {
  const found = differences(wished(), withLink({ port: undefined, addrgenmode: undefined }));
  assert.deepEqual(
    found.map(({ what, found }) => [what, found]),
    [
      ['learning', 'not told'],
      ['locked', 'not told'],
      ['root_block', 'not told'],
    ],
  );
});

test('a kernel or a program that tells of no limit of groups is no difference', () => {
  assert.deepEqual(differences(wished(), { ...seen('vif1.0'), maxGroups: undefined }), []);
});

test('the groups of an unrestricted port are left alone', () => {
  const found = differences(wished({ binding: 'unpinned' }), { ...seen('vif1.0'), maxGroups: 0 });
  assert.ok(!found.some(({ what }) => what === 'mcast_max_groups'));
});
