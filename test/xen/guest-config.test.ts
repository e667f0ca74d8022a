/** Guest configurations as xl takes them apart (what it does with each of these was tried with xl 4.17). */
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseGuestConfig, parseNic } from '../../src/xen/guest-config.ts';

test('names, numbers, texts and lists, whatever stands around them', () => {
  const config = parseGuestConfig(`# a comment with vif = [ 'x' ]
name = "web\\"1"   # after it
memory=512
vif = [
  'mac=00:16:3e:00:00:01,bridge=br0',   # one
  "ip=192.0.2.1",
]
disk = [ 'phy:/dev/vg/web1,xvda,w' ]; vcpus = 2
extra = 'console=hvc0 # no comment'
`);
  assert.deepEqual(
    [...config],
    [
      ['name', 'web"1'],
      ['memory', '512'],
      ['vif', ['mac=00:16:3e:00:00:01,bridge=br0', 'ip=192.0.2.1']],
      ['disk', ['phy:/dev/vg/web1,xvda,w']],
      ['vcpus', '2'],
      ['extra', 'console=hvc0 # no comment'],
    ],
  );
});

test('nothing of a comment is read, wherever it stands', () => {
  const list = "vif = [ 'mac=00:16:3e:00:00:99' ]";
  for (const text of [
    `# a sample\n\n# ${list}\nname = 'web1'`,
    `# a sample\n  # ${list}\nname = 'web1'`,
    `name = 'web1'\n# ${list}`,
    `name = 'web1' #${list}\n\n#\n#${list}`,
    `name = # ${list}\n\n # ${list}\n 'web1'`,
  ]) {
    assert.deepEqual([...parseGuestConfig(text)], [['name', 'web1']], text);
  }
});

test('what is none is left out, and ends', () => {
  for (const text of ['', '=', 'vif = [', "vif = [ 'a', ", 'a = "open', '[[[[', 'vif = ] = [', '\u0000'])
    parseGuestConfig(text);
  assert.deepEqual([...parseGuestConfig("vif = [ 'a'")], [['vif', ['a']]]);
  assert.deepEqual([...parseGuestConfig('a = ; b = 2 3')], [['b', '2']]);
});

for (const [nic, keys, ignored] of [
  ['ip=192.0.2.1 198.51.100.2,bridge=br0', { ip: '192.0.2.1 198.51.100.2', bridge: 'br0' }, []],
  ['ip=192.0.2.1,198.51.100.2,  bridge=br0', { ip: '192.0.2.1', bridge: 'br0' }, ['198.51.100.2']],
  ['ip = 192.0.2.1', {}, ['ip = 192.0.2.1']],
  ['Ip=192.0.2.1', {}, ['Ip=192.0.2.1']],
  ['\tip=192.0.2.1', {}, ['\tip=192.0.2.1']],
  ['ip=', { ip: '' }, []],
  ['', {}, []],
  ['trusted,mac=00:16:3e:00:00:01,', { trusted: '', mac: '00:16:3e:00:00:01' }, []],
] as const) {
  test(`vif = [ ${JSON.stringify(nic)} ]`, () => {
    const parsed = parseNic(nic);
    assert.deepEqual(Object.fromEntries(parsed.keys), keys);
    assert.deepEqual(parsed.ignored, ignored);
  });
}
