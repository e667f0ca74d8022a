import assert from 'node:assert/strict';
import test from 'node:test';
import { parsePrefix } from '../../src/net/ip-prefix.ts';
import { forwardRequest } from '../../src/port/forward-request.ts';
import {
  addressesRequest,
  isSet,
  neighbourRequest,
  readAddressesAnswer,
  readRouteAnswer,
  routeRequest,
} from '../../src/port/uplink-request.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const prefix = (text: string) => parsePrefix(text) ?? assert.fail(text);

test('requests are those of iproute2 and nft, as linux/rtnetlink.h and linux/netfilter/nf_tables.h have them', () => {
  // RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, of device 7
  assert.equal(hex(addressesRequest(7)), '18000000160001030000000000000000' + '0000000007000000');
  // RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK; /32, RTM_F_FIB_MATCH; RTA_DST 192.0.2.5
  assert.equal(
    hex(routeRequest(prefix('192.0.2.5'))),
    '240000001a0005000000000000000000' + '022000000000000000200000' + '08000100c0000205',
  );
  // RTM_GETNEIGH, with NTF_PROXY
  assert.equal(
    hex(neighbourRequest(prefix('192.0.2.5'), 7, 'proxy')),
    '240000001e0005000000000000000000' + '020000000700000000000800' + '08000100c0000205',
  );
  // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN; "filter", "FORWARD"
  assert.equal(
    hex(forwardRequest('ip6tables')),
    '2c000000040a05000000000000000000' + '0a000000' + '0b000100' + '66696c7465720000' + '0c000300' + '464f525741524400',
  );
});

test('addresses of a device are its own ones, with the lengths of their subnets', () => {
  // IFA_ADDRESS and IFA_LOCAL: 10.0.0.1 with the peer 10.0.0.9, at devices 7 and 8.
  const at = (index: number): Uint8Array =>
    bytes(`28000000 14000200 00000000 00000000 02188000 0${index}000000 08000100 0a000009 08000200 0a000001`);
  const ipv6 = bytes(`2c000000 14000200 00000000 00000000 0a408000 07000000
    14000100 fd000000 00000000 00000000 00000001`);
  const done = bytes('14000000 03000200 00000000 00000000 00000000');
  assert.deepEqual(readAddressesAnswer([at(8), at(7), ipv6, done], 7), ['10.0.0.1/24', 'fd00::1/64']);
});

test('a route says where it leads, and whether the address is of this host', () => {
  const local = bytes(`34000000 18000000 00000000 00000000 02200000 00000002 00000000
    08000100 c0000205 08000400 09000000 08000600 03000000`);
  const found = readRouteAnswer([local]);
  assert.deepEqual(found, { to: '192.0.2.5', kept: 'address', ifindex: 9, metric: 3 });
  // That of a default route has neither address nor metric; an error is no route.
  const everywhere = bytes('24000000 18000000 00000000 00000000 02000000 00000001 00000000 08000400 02000000');
  assert.deepEqual(readRouteAnswer([everywhere]), { to: '0.0.0.0/0', kept: undefined, ifindex: 2, metric: 0 });
  assert.equal(readRouteAnswer([bytes('24000000 02000000 00000000 00000000 9bffffff')]), undefined);
  assert.equal(readRouteAnswer([]), undefined);
});

test('what somebody has set at a device is a proxy, or an entry that does not end', () => {
  const entry = (state: string, flags: string): Uint8Array =>
    bytes(`1c000000 1c000000 00000000 00000000 02000000 07000000 ${state}00${flags}00`);
  assert.equal(isSet([entry('00', '08')]), true);
  assert.equal(isSet([entry('80', '00')]), true);
  assert.equal(isSet([entry('04', '00')]), false);
  assert.equal(isSet([bytes('24000000 02000000 00000000 00000000 feffffff')]), false);
  assert.equal(isSet([]), false);
});
