import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { VifRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';
import { vifRecord } from './vif-record.ts';

const said: string[] = [];
const open = (directory: string, boot = 'boot'): State =>
  openState(directory, { bootId: () => boot, log: { say: (_, text) => void said.push(text) } });

function fresh(t: TestContext): State {
  said.length = 0;
  const folder = mkdtempSync(join(tmpdir(), 'xvb-state-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return open(join(folder, 'not', 'there', 'yet'));
}

function record(device: string, more: Partial<VifRecord> = {}): VifRecord {
  const values = { mac: '00:16:3e:00:00:01', ip: '192.0.2.1' };
  return vifRecord({ device, name: device, bridge: 'xenbr0', values, xenbus: 'backend/vif/1/0', ...more });
}

const files = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);

test('before anything was written there is nothing, and that is no error', (t) => {
  const state = fresh(t);
  assert.deepEqual(
    [state.readVif('vif1.0'), state.allVifs(), state.readBase(), state.devicesWithMac('00:16:3e:00:00:01')],
    [undefined, [], undefined, []],
  );
  assert.equal(state.readOffline('vif1.0'), 0);
  state.removeVif({ device: 'vif1.0', mac: '00:16:3e:00:00:01' });
});

test('what is written is read', (t) => {
  const state = fresh(t);
  const records = [record('vif1.0'), record('vif1.0-emu', { type: 'tap', xenbus: undefined })];
  for (const one of records) state.writeVif(one);
  assert.deepEqual(state.readVif('vif1.0'), records[0]);
  assert.deepEqual(
    state
      .allVifs()
      .map(({ device }) => device)
      .sort(),
    ['vif1.0', 'vif1.0-emu'],
  );
  const base = { schema: 1, bootId: 'boot', sentinel: 'base/x-y', exempt: [{ name: 'vif9.0', ifindex: 3 }] } as const;
  state.writeBase(base);
  assert.deepEqual(state.readBase(), base);
});

test('vifs are in one order, whatever the file system has', (t) => {
  const state = fresh(t);
  const names = Array.from({ length: 40 }, (_, at) => `vif${(at * 23) % 40}.0`);
  for (const name of names) state.writeVif(record(name));
  assert.deepEqual(state.devices(), names.toSorted());
});

test('devices are found by their MAC until they leave', (t) => {
  const state = fresh(t);
  for (const device of ['vif1.0', 'vif1.0-emu', 'vif2.0']) state.writeVif(record(device));
  assert.deepEqual(state.devicesWithMac('00:16:3e:00:00:01').sort(), ['vif1.0', 'vif1.0-emu', 'vif2.0']);
  assert.deepEqual(state.devicesWithMac('00:16:3e:00:00:02'), []);
  for (const device of ['vif1.0', 'vif1.0-emu', 'vif2.0']) state.removeVif({ device, mac: '00:16:3e:00:00:01' });
  assert.deepEqual(state.devicesWithMac('00:16:3e:00:00:01'), []);
  assert.deepEqual(files(state.directory), []);
});

test('nobody but root may read or enter', (t) => {
  const state = fresh(t);
  state.writeVif(record('vif1.0'));
  assert.equal(statSync(state.directory).mode & 0o77, 0);
  assert.equal(statSync(join(state.directory, 'vif', 'vif1.0.json')).mode & 0o77, 0);
});

test('a write replaces the file as a whole: whoever has the old one open reads it to its end', (t) => {
  const state = fresh(t);
  state.writeVif(record('vif1.0'));
  const file = join(state.directory, 'vif', 'vif1.0.json');
  const before = statSync(file).ino;
  state.writeVif(record('vif1.0', { ticket: 2 }));
  assert.notEqual(statSync(file).ino, before);
  assert.equal(state.readVif('vif1.0')?.ticket, 2);
  assert.deepEqual(files(state.directory).sort(), ['vif1.0', 'vif1.0.json'], 'no draft is left');
});

test('a draft that a killed run left is neither read nor in the way', (t) => {
  const state = fresh(t);
  state.writeVif(record('vif1.0'));
  mkdirSync(join(state.directory, 'draft'), { recursive: true });
  for (const draft of ['draft/vif2.0.json.4711', 'vif/vif2.0.json.4711~']) {
    writeFileSync(join(state.directory, draft), '{"schema":');
  }
  assert.deepEqual(
    state.allVifs().map(({ device }) => device),
    ['vif1.0'],
  );
  state.writeVif(record('vif2.0'));
  assert.equal(state.allVifs().length, 2);
});

/** What may stand in the place of a record. */
const BROKEN: Readonly<Record<string, (file: string, good: VifRecord) => void>> = {
  'half of one': (file) => writeFileSync(file, '{"schema": 1, "device": "vif'),
  nothing: (file) => writeFileSync(file, ''),
  null: (file) => writeFileSync(file, 'null'),
  'a list': (file) => writeFileSync(file, '[]'),
  'one of a later version': (file, good) => writeFileSync(file, JSON.stringify({ ...good, schema: 2 })),
  'that of another vif': (file, good) => writeFileSync(file, JSON.stringify({ ...good, device: 'vif7.0' })),
  'more than anything': (file) => writeFileSync(file, ' '.repeat(5 * 2 ** 20)),
  'a directory with something in it': (file) => mkdirSync(join(file, 'more'), { recursive: true }),
  'a FIFO': (file) => execFileSync('mkfifo', [file]),
  'a link to a good one': (file, good) => {
    writeFileSync(`${file}.good`, JSON.stringify(good));
    symlinkSync(`${file}.good`, file);
  },
  'a link to nothing': (file) => symlinkSync('/nowhere', file),
  'a device': (file) => symlinkSync('/dev/zero', file),
};

for (const [what, spoil] of Object.entries(BROKEN)) {
  test(`${what} in the place of a record counts as none, is said once, and gives way`, (t) => {
    const state = fresh(t);
    state.writeVif(record('vif1.0'));
    state.writeVif(record('vif2.0'));
    const file = join(state.directory, 'vif', 'vif1.0.json');
    rmSync(file);
    spoil(file, record('vif1.0'));
    assert.equal(state.readVif('vif1.0'), undefined);
    assert.deepEqual(
      state.allVifs().map((one) => one.device),
      ['vif2.0'],
    );
    assert.deepEqual(state.useless(), { unreadable: ['vif1.0'], outlived: [] });
    assert.equal(said.length, 1);
    assert.match(said[0] ?? '', /vif1\.0\.json/);
    state.writeVif(record('vif1.0', { ticket: 7 }));
    assert.equal(state.readVif('vif1.0')?.ticket, 7);
    state.removeVif({ device: 'vif1.0', mac: undefined });
    assert.equal(state.readVif('vif1.0'), undefined);
  });

  test(`${what} in the place of the base counts as none, and gives way`, (t) => {
    const state = fresh(t);
    const base = { schema: 1, bootId: 'boot', sentinel: 'base/x-y', exempt: [] } as const;
    state.writeBase(base);
    const file = join(state.directory, 'base.json');
    rmSync(file);
    if (what === 'that of another vif') return;
    spoil(file, record('vif1.0'));
    assert.equal(state.readBase(), undefined);
    state.writeBase(base);
    assert.deepEqual(state.readBase(), base);
  });

  test(`${what} in the place of a record is taken away with it`, (t) => {
    const state = fresh(t);
    state.writeVif(record('vif1.0'));
    const file = join(state.directory, 'vif', 'vif1.0.json');
    rmSync(file);
    spoil(file, record('vif1.0'));
    state.removeVif({ device: 'vif1.0', mac: '00:16:3e:00:00:01' });
    assert.equal(existsSync(file), false);
    assert.deepEqual(state.devicesWithMac('00:16:3e:00:00:01'), []);
  });
}

const WRONG: readonly unknown[] = [undefined, null, 0, -1, 0.5, 'x y', '', true, [], [[]], {}, { a: 1 }];

test('a record of which one field is of another type is none; a field that is new is left alone', (t) => {
  const state = fresh(t);
  const good = record('vif1.0', {
    values: { mac: '00:16:3e:00:00:01', ip: '192.0.2.1', bridge: 'xenbr0', vifname: 'web', mtu: '1500' },
    loaded: [
      {
        ifindex: 7,
        values: {
          mac: ['00:16:3e:00:00:01'],
          extra: [],
          ip: ['192.0.2.1'],
          ip6: ['fe80::/64'],
          solicited: [],
          broadcast: [],
          sole: [],
          sole6: [],
          route: [],
          route6: [],
          gateway: [],
          gateway4: [],
          gatewayGroups: [],
          ethertype: [],
          protocol: [],
          vlan: [],
        },
        flags: ['managed', 'ipv4'],
      },
    ],
  });
  state.writeVif(good);
  const file = join(state.directory, 'vif', 'vif1.0.json');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(text), more: [null] }));
  assert.equal(JSON.stringify(state.readVif('vif1.0'), undefined, 1), text.trimEnd(), 'read as it was written');
  for (const path of pathsOf(JSON.parse(text))) {
    for (const wrong of WRONG) {
      const changed = JSON.parse(text);
      const [last = '', ...above] = [...path].reverse();
      const place = above.reverse().reduce((object, key) => object[key], changed);
      if (typeof place[last] === typeof wrong && !Array.isArray(place[last]) && !Array.isArray(wrong)) continue;
      place[last] = wrong;
      writeFileSync(file, JSON.stringify(changed));
      const read = state.readVif('vif1.0');
      // What may be left out, and a list that may be empty.
      if (read !== undefined) assert.ok(isSound(read), `${path.join('.')} = ${JSON.stringify(wrong)}`);
    }
  }
});

/** The path of everything in a JSON value. */
function pathsOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  const below = Object.entries(value).flatMap(([key, one]) => pathsOf(one, [...path, key]));
  return path.length === 0 ? below : [[...path], ...below];
}

/** All that may be another value, of which every part has its type. */
function isSound({ values, loaded, subnetBroadcasts, xenbus }: VifRecord): boolean {
  const texts = [
    ...Object.values(values),
    ...subnetBroadcasts,
    ...loaded.flatMap((one) => [...Object.values(one.values).flat(), ...one.flags]),
    xenbus ?? '',
  ];
  return texts.every((text) => typeof text === 'string') && loaded.every(({ ifindex }) => Number.isInteger(ifindex));
}

test('what is of another boot is not there: records, the base, tickets', (t) => {
  const state = fresh(t);
  state.writeVif(record('vif1.0', { ticket: 1e9 }));
  state.writeBase({ schema: 1, bootId: 'boot', sentinel: 'base/x-y', exempt: [] });
  state.writeOffline('vif1.0', 1e9);
  const next = open(state.directory, 'next');
  assert.deepEqual(
    [next.readVif('vif1.0'), next.allVifs(), next.readBase(), next.readOffline('vif1.0')],
    [undefined, [], undefined, 0],
  );
  assert.deepEqual(next.useless(), { unreadable: [], outlived: ['vif1.0'] });
  next.writeOffline('vif1.0', 5);
  assert.equal(next.readOffline('vif1.0'), 5);
  assert.deepEqual(said, []);
});

for (const folder of ['vif', 'mac', 'draft', 'offline', 'mac/00163e000001']) {
  for (const what of ['a file', 'a link', 'a FIFO']) {
    test(`${what} in the place of the folder ${folder} gives way, and what lies behind it is left alone`, (t) => {
      const state = fresh(t);
      state.writeVif(record('vif1.0'));
      state.writeOffline('vif1.0', 1);
      const place = join(state.directory, folder);
      rmSync(place, { recursive: true, force: true });
      const elsewhere = join(state.directory, 'elsewhere');
      mkdirSync(elsewhere);
      writeFileSync(join(elsewhere, 'old'), 'x');
      utimesSync(join(elsewhere, 'old'), 1, 1);
      if (what === 'a file') writeFileSync(place, 'x');
      else if (what === 'a link') symlinkSync(elsewhere, place);
      else execFileSync('mkfifo', [place]);
      state.writeVif(record('vif1.0-emu'));
      state.writeOffline('vif1.0', 5);
      assert.equal(state.readOffline('vif1.0'), 5);
      assert.equal(state.readVif('vif1.0-emu')?.device, 'vif1.0-emu');
      const known = folder === 'vif' ? ['vif1.0-emu'] : ['vif1.0', 'vif1.0-emu'];
      assert.deepEqual(
        state
          .allVifs()
          .map(({ device }) => device)
          .sort(),
        known,
      );
      assert.deepEqual(
        state
          .devicesWithMac('00:16:3e:00:00:01')
          .filter((one) => known.includes(one))
          .sort(),
        known,
      );
      assert.deepEqual(readdirSync(elsewhere), ['old']);
    });
  }
}

test('the ticket of an offline is kept, and an older run cannot turn it back', (t) => {
  const state = fresh(t);
  state.writeOffline('vif1.0', 5);
  state.writeOffline('vif1.0', 3);
  assert.equal(state.readOffline('vif1.0'), 5);
  assert.equal(state.readOffline('vif1.1'), 0);
});

test('tickets that no living run can need any more are cleared away', (t) => {
  const state = fresh(t);
  state.writeOffline('vif1.0', 5);
  const hourAgo = Date.now() / 1000 - 3600;
  utimesSync(join(state.directory, 'offline', 'vif1.0'), hourAgo, hourAgo);
  state.writeOffline('vif2.0', 6);
  assert.deepEqual([state.readOffline('vif1.0'), state.readOffline('vif2.0')], [0, 6]);
});

test('a ticket that cannot be read keeps nobody from going online', (t) => {
  const state = fresh(t);
  state.writeOffline('vif1.0', 5);
  writeFileSync(join(state.directory, 'offline', 'vif1.0'), 'rubbish');
  assert.equal(state.readOffline('vif1.0'), 0);
});

test('a file is JSON that a person can read', (t) => {
  const state = fresh(t);
  state.writeVif(record('vif1.0'));
  assert.match(readFileSync(join(state.directory, 'vif', 'vif1.0.json'), 'utf8'), /^\{\n "schema": 1,\n/);
});

test('what is noted is known until the next boot', (t) => {
  const state = fresh(t);
  assert.equal(state.isNoted('this'), false);
  state.note('this');
  assert.equal(state.isNoted('this'), true);
  assert.equal(state.isNoted('that'), false);
  assert.equal(open(state.directory, 'next').isNoted('this'), false);
});

test('a vif is found by each of its MACs, as long as it may have it', (t) => {
  const state = fresh(t);
  const own = '00:16:3e:00:00:01';
  const other = '02:bf:0a:00:00:05';
  const having = (device: string, mac: string, all: string[]): VifRecord => {
    const values = {
      mac: all,
      extra: all.slice(1),
      ip: [],
      ip6: [],
      solicited: [],
      broadcast: [],
      sole: [],
      sole6: [],
      route: [],
      route6: [],
      gateway: [],
      gateway4: [],
      gatewayGroups: [],
      ethertype: [],
      protocol: [],
      vlan: [],
    };
    return record(device, { values: { mac }, loaded: [{ ifindex: 7, values, flags: [] }] });
  };
  state.writeVif(having('vif1.0', own, [own, other]));
  state.writeVif(having('vif2.0', other, [other]));
  assert.deepEqual([state.devicesWithMac(own), state.devicesWithMac(other)], [['vif1.0'], ['vif1.0', 'vif2.0']]);
  rmSync(join(state.directory, 'mac'), { recursive: true });
  assert.deepEqual(state.devicesWithMac(other), ['vif1.0', 'vif2.0']);
  state.writeVif(having('vif1.0', own, [own]));
  assert.deepEqual([state.devicesWithMac(own), state.devicesWithMac(other)], [['vif1.0'], ['vif2.0']]);
  state.writeVif(having('vif1.0', own, [own, other]));
  state.removeVif({ device: 'vif1.0', mac: own });
  assert.deepEqual([state.devicesWithMac(own), state.devicesWithMac(other)], [[], ['vif2.0']]);
});

test('the addresses of vifs are found by one look, and go with them', (t) => {
  const state = fresh(t);
  const given = (device: string, ip: string[], ip6: string[] = []): VifRecord => {
    const values = {
      mac: [],
      extra: [],
      ip,
      ip6,
      solicited: [],
      broadcast: [],
      sole: [],
      sole6: [],
      route: [],
      route6: [],
      gateway: [],
      gateway4: [],
      gatewayGroups: [],
      ethertype: [],
      protocol: [],
      vlan: [],
    };
    return record(device, { loaded: [{ ifindex: 7, values, flags: [] }] });
  };
  const known = (): string[] =>
    state
      .addresses()
      .map(({ owner, address }) => `${owner} ${address}`)
      .sort();
  assert.deepEqual(known(), []);
  // The one that is made of the MAC is no other guest's.
  state.writeVif(given('vif1.0', ['192.0.2.10'], ['2001:db8::/64', 'fe80::216:3eff:fe00:1', 'fe80::7']));
  state.writeVif(given('vif2.0', ['192.0.2.10', '192.0.2.16/28']));
  state.writeVif(given('vif3.0', []));
  const all = [
    'vif1.0 192.0.2.10',
    'vif1.0 2001:db8::/64',
    'vif1.0 fe80::7',
    'vif2.0 192.0.2.10',
    'vif2.0 192.0.2.16/28',
  ];
  assert.deepEqual(known(), all);
  const near = state.addresses(['192.0.2.10', '192.0.2.99']).map(({ owner, address }) => `${owner} ${address}`);
  assert.deepEqual(near.sort(), [...all.slice(0, 2), ...all.slice(3)], 'who has it, and all blocks');
  // A state of an earlier version has no such index: it is made with the next record.
  rmSync(join(state.directory, 'address'), { recursive: true });
  assert.deepEqual(known(), all);
  state.writeVif(given('vif2.0', ['192.0.2.11']));
  assert.deepEqual(known(), [...all.slice(0, 3), 'vif2.0 192.0.2.11']);
  writeFileSync(join(state.directory, 'vif', 'vif2.0.json'), '{');
  state.removeVif({ device: 'vif2.0', mac: undefined });
  state.removeVif({ device: 'vif1.0', mac: undefined });
  assert.deepEqual(known(), []);
});
