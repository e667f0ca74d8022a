import assert from 'node:assert/strict';
import test from 'node:test';
import { parseInterfaceName } from '../../src/net/interface-name.ts';
import { type IdentityValues, type PortType, parseIdentity, type VifIdentity } from '../../src/xen/vif-identity.ts';
import { refusal } from '../net/refusal.ts';

const MAC = '00:16:3e:00:00:01';

function identity(values: IdentityValues, type: PortType = 'vif'): VifIdentity {
  const device = parseInterfaceName(type === 'tap' ? 'vif1.0-emu' : 'vif1.0', '');
  return parseIdentity({ device, type }, { mac: MAC, ...values }, 'backend/vif/1/0');
}

test('a vif without wishes keeps its name and leaves bridge and MTU open', () => {
  const vif = identity({});
  assert.deepEqual([vif.name, vif.bridge, vif.mtu, vif.hvm], ['vif1.0', undefined, undefined, false]);
  assert.equal(vif.mac, MAC);
});

test('empty keys count as absent ones', () => {
  const vif = identity({ ip: '', bridge: '', vifname: '', mtu: '', nicType: '' });
  assert.deepEqual([vif.name, vif.bridge, vif.mtu, vif.hvm], ['vif1.0', undefined, undefined, false]);
  assert.deepEqual([vif.addresses.ipv4, vif.addresses.ipv6], [[], []]);
});

test('a MAC must be there', () => {
  for (const mac of [undefined, '']) {
    const failure = refusal(() => identity({ mac }), '');
    assert.equal(failure.message, 'no MAC address for vif1.0');
    assert.equal(failure.at, 'mac of backend/vif/1/0');
  }
});

test('vifname names the vif, and its tap with -emu', () => {
  assert.equal(identity({ vifname: 'web0' }).name, 'web0');
  assert.equal(identity({ vifname: 'web0' }, 'tap').name, 'web0-emu');
  assert.equal(identity({ vifname: 'fifteen-letters' }).name, 'fifteen-letters');
  assert.equal(identity({ vifname: 'eleven-long' }, 'tap').name, 'eleven-long-emu');
});

test('a vifname that does not fit, with its -emu, is refused as a whole', () => {
  assert.match(refusal(() => identity({ vifname: 'twelve-chars' }, 'tap'), '').message, /"twelve-chars" is too long$/);
  assert.match(refusal(() => identity({ vifname: 'sixteen--letters' }), '').message, /is too long$/);
  for (const vifname of ['web 0', 'a/b', '$(id)', 'web\n', '-emu', 'all', '..']) {
    assert.equal(refusal(() => identity({ vifname }), '').at, 'vifname of backend/vif/1/0');
  }
});

test('one layer of quotes, which xl keeps in a value, is taken off every key', () => {
  for (const quote of ['"', "'"]) {
    const quoted = (text: string): string => `${quote}${text}${quote}`;
    const vif = identity({
      mac: quoted(MAC),
      ip: quoted('192.0.2.1'),
      bridge: quoted('1st-br'),
      vifname: quoted('n1'),
      mtu: quoted('9000'),
    });
    assert.deepEqual([vif.mac, vif.bridge, vif.name, vif.mtu], [MAC, '1st-br', 'n1', 9000]);
    assert.equal(vif.addresses.ipv4[0]?.text, '192.0.2.1');
    assert.equal(identity({ vifname: quoted('eleven-long') }, 'tap').name, 'eleven-long-emu');
    assert.equal(identity({ vifname: quoted('') }).name, 'vif1.0');
  }
  for (const vifname of ['"n1', "n1'", '""n1""', '"']) refusal(() => identity({ vifname }), '');
});

test('a tap, and a vif of an emulated NIC, have a twin', () => {
  assert.equal(identity({}, 'tap').hvm, true);
  for (const nicType of ['vif_ioemu', 'ioemu']) assert.equal(identity({ nicType }).hvm, true);
  for (const nicType of ['vif', 'VIF_IOEMU']) assert.equal(identity({ nicType }).hvm, false);
});

test('an MTU is a plain number that Linux takes', () => {
  assert.deepEqual(
    ['68', '1500', '9000', '65535'].map((mtu) => identity({ mtu }).mtu),
    [68, 1500, 9000, 65535],
  );
  for (const [vlan, number] of [
    ['10', 10],
    ['10p', 10],
    ['4094pu', 4094],
    ['', undefined],
  ] as const)
    assert.equal(identity({ vlan }).vlan, number);
  for (const vlan of ['0', '4095', '10p/20', '5-9u', '10+10x4', '010', '10q', '10up', ' 10', '10 '])
    assert.match(refusal(() => identity({ vlan }), '').message, /is not one VLAN/, vlan);
  for (const mtu of ['0', '67', '65536', '99999', '01500', '1500 ', '+1500', '1e3', '0x5dc', '1500.0', '-1']) {
    assert.equal(refusal(() => identity({ mtu }), '').message, `"${mtu}" is not an MTU`);
  }
});

test('every refusal says which key of which place is meant', () => {
  const bad: readonly (readonly [keyof IdentityValues, string])[] = [
    ['mac', 'zz'],
    ['ip', '192.0.2.300'],
    ['bridge', 'xen br0'],
    ['vifname', '1'],
    ['mtu', 'big'],
  ];
  for (const [key, value] of bad) {
    assert.equal(refusal(() => identity({ [key]: value }), '').at, `${key} of backend/vif/1/0`);
  }
});
