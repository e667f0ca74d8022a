import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { VifRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';

function fresh(t: TestContext): State {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-state-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return openState(join(folder, 'not', 'there', 'yet'));
}

function record(device: string, more: Partial<VifRecord> = {}): VifRecord {
  return {
    schema: 1,
    bootId: 'boot',
    device,
    name: device,
    type: 'vif',
    bridge: 'xenbr0',
    values: { mac: '00:16:3e:00:00:01', ip: '192.0.2.1' },
    xenbus: 'backend/vif/1/0',
    mode: 'addresses',
    subnetBroadcasts: [],
    shared: false,
    ingress: false,
    ifindex: 7,
    loaded: [],
    ticket: 1,
    since: '2026-01-01T00:00:00.000Z',
    ...more,
  };
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

for (const [what, text] of [
  ['half of one', '{"schema": 1, "device": "vif'],
  ['nothing', ''],
  ['null', 'null'],
  ['a list', '[]'],
  ['one of a later version', '{"schema": 2}'],
] as const) {
  test(`a file that holds ${what} is an error with its path and what to do, not an absent one`, (t) => {
    const state = fresh(t);
    state.writeVif(record('vif1.0'));
    const file = join(state.directory, 'vif', 'vif1.0.json');
    writeFileSync(file, text);
    const expected = { name: 'Failure', code: 'input', at: file, hint: /remove it/ };
    assert.throws(() => state.readVif('vif1.0'), expected);
    state.writeVif(record('vif2.0'));
    assert.deepEqual(
      state.allVifs().map((one) => one.device),
      ['vif2.0'],
      'the others are not taken with it',
    );
  });
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
