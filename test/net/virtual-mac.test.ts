import assert from 'node:assert/strict';
import test from 'node:test';
import { isVirtualMac, virtualMac } from '../../src/net/virtual-mac.ts';

test('the MAC of a group of each protocol', () => {
  assert.equal(virtualMac('vrrp', 51), '00:00:5e:00:01:33');
  assert.equal(virtualMac('vrrp6', 255), '00:00:5e:00:02:ff');
  assert.equal(virtualMac('hsrp', 0), '00:00:0c:07:ac:00');
  assert.equal(virtualMac('hsrp2', 4095), '00:00:0c:9f:ff:ff');
  assert.equal(virtualMac('hsrp6', 3), '00:05:73:a0:00:03');
  for (const [family, group] of [
    ['vrrp', 256],
    ['hsrp', 256],
    ['hsrp2', 4096],
    ['vrrp', -1],
  ] as const)
    assert.equal(virtualMac(family, group), undefined, `${family} ${group}`);
});

test('only these move between stations', () => {
  for (const mac of ['00:00:5e:00:01:01', '00:00:5e:00:02:01', '00:00:0c:07:ac:03', '00:00:0c:9f:f0:03'])
    assert.equal(isVirtualMac(mac), true, mac);
  for (const mac of ['00:00:5e:00:03:01', '00:16:3e:00:00:01', '02:bf:0a:00:00:05', '00:00:0c:9f:e0:03'])
    assert.equal(isVirtualMac(mac), false, mac);
});
