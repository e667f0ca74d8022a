/**
 * A guest with a virtio card says in the virtio_net_hdr of a frame where the kernel is to write a checksum. The kernel
 * does so when the frame leaves: what the filter has read must be what leaves.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { createNamespace } from '../lab/namespace.ts';
import { form } from '../lab/program.ts';
import { PLAIN_ENV } from '../lab/subprocess.ts';
import { openDeviceModel } from '../lab/tap.ts';
import type { WireError } from '../lab/wire.ts';
import { type Dom0, obstacle, openDom0, type Port, PROGRAM } from './dom0.ts';
import { A, ALL, addressBytes, arp, bytesOf, checksum, frame, G, H, ip4, ip6, TYPE, tcp, udp, V } from './frames.ts';
import { ATTACKS, added, aroundTap, changesNothing, HVM, LAN, stage, TAP } from './virtio-guest.ts';

const skip = obstacle();
/** What the guest's own frames become when the kernel finishes them: sums and segments as they should be. */
const ETHERNET = 14;
const TCP_SUM = 16;
const UDP_SUM = 6;
const MSS = 1400;

interface Family {
  readonly name: string;
  readonly type: number;
  readonly header: number;
  /** virtio_net.h: VIRTIO_NET_HDR_GSO_TCPV4, _TCPV6. */
  readonly gso: number;
  packet(protocol: number, payload: Buffer): Buffer;
  pseudo(protocol: number, length: number): Buffer;
}

const word = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const FAMILIES: readonly Family[] = [
  {
    name: 'IPv4',
    type: TYPE.ip,
    header: 20,
    gso: 1,
    packet: (protocol, payload) => ip4({ protocol }, payload),
    pseudo: (protocol, length) => Buffer.concat([addressBytes(A.ip), addressBytes(G.ip), word(protocol), word(length)]),
  },
  {
    name: 'IPv6',
    type: TYPE.ip6,
    header: 40,
    gso: 4,
    packet: (next, payload) => ip6({ next }, payload),
    pseudo: (protocol, length) =>
      Buffer.concat([addressBytes(A.ip6), addressBytes(G.ip6), word(protocol), word(length)]),
  },
];

/** As a guest with offload leaves it: the sum of the pseudo header stands where the checksum is to be. */
function unfinished(family: Family, protocol: number, transport: Buffer, at: number): string {
  const sum = ~checksum(family.pseudo(protocol, transport.length)) & 0xffff;
  transport.writeUInt16BE(sum, at);
  return frame(G.mac, A.mac, family.type, family.packet(protocol, transport));
}

/** The payload of TCP segments in their order. Fails if one of them has a wrong checksum. */
function reassembled(family: Family, frames: readonly string[]): Buffer {
  return Buffer.concat(
    frames.map((hex) => {
      const segment = bytesOf(hex).subarray(ETHERNET + family.header);
      const sum = checksum(Buffer.concat([family.pseudo(6, segment.length), segment]));
      assert.equal(sum, 0, 'the checksum of a segment');
      return segment.subarray(20);
    }),
  );
}

test('a guest with a virtio card', { skip, concurrency: 2 }, async (t) => {
  await t.test('changes no frame behind the filter', async (t) => {
    const { dom0, arrives } = await added(t);
    const wrong: string[] = [];
    for (const { name, sent, header, forged, reason } of ATTACKS) {
      assert.deepEqual(await arrives(sent), [sent], `${name}: its own frame`);
      for (const seen of await arrives(sent, header)) wrong.push(`${name}: ${seen === forged ? 'forged' : seen}`);
      const counted = (await portOf(dom0)).drops.find(
        (drop) => drop.direction === 'from-guest' && drop.reason === reason,
      );
      if (counted === undefined) wrong.push(`${name}: not counted as ${reason}`);
    }
    assert.deepEqual(wrong, []);
  });

  await t.test('changes none behind the filter of ebtables', async (t) => {
    const { arrives } = await added(t, HVM, { policy: '[defaults]\nbackend = ebtables\n' });
    await changesNothing(arrives);
    for (const { name, sent, header } of ATTACKS) assert.deepEqual(await arrives(sent, header), [], name);
  });

  await t.test('changes none by asking for segments besides', async (t) => {
    const { arrives } = await added(t);
    for (const { name, sent, header, forged } of ATTACKS) {
      for (const gso of [1, 3, 4, 5]) {
        const at = ((header.start ?? 0) + (header.offset ?? 0)) * 2;
        const seen = await arrives(sent, { ...header, gso, segment: 40, headers: 54 }).catch((error: WireError) => {
          // The kernel takes few of them.
          assert.equal(error.code, 'EINVAL', `${name}: ${error.message}`);
          return [];
        });
        const words = seen.map((hex) => hex.slice(at, at + 4));
        assert.ok(!words.includes(forged.slice(at, at + 4)), `${name}, segments of kind ${gso}: ${seen}`);
      }
    }
  });

  for (const family of FAMILIES) {
    const start = ETHERNET + family.header;
    await t.test(`leaves the checksums of its own UDP over ${family.name} to the kernel`, async (t) => {
      const { arrives } = await added(t);
      const sent = unfinished(family, 17, udp(9, 9, 'c0ffee'.repeat(40)), UDP_SUM);
      const [seen = '', ...more] = await arrives(sent, { start, offset: UDP_SUM });
      assert.deepEqual(more, []);
      const datagram = bytesOf(seen).subarray(start);
      assert.equal(checksum(Buffer.concat([family.pseudo(17, datagram.length), datagram])), 0);
      assert.equal(datagram.subarray(8).toString('hex'), 'c0ffee'.repeat(40));
    });

    await t.test(`leaves it to the kernel to cut its TCP over ${family.name} into segments`, async (t) => {
      const { arrives } = await added(t);
      const payload = Buffer.from(Array.from({ length: 20_000 }, (_, index) => (index * 7) & 255));
      const sent = unfinished(family, 6, Buffer.concat([tcp(9, 9, 0x10), payload]), TCP_SUM);
      const seen = await arrives(sent, { start, offset: TCP_SUM, gso: family.gso, segment: MSS, headers: start + 20 });
      assert.equal(seen.length, Math.ceil(payload.length / MSS));
      assert.ok(reassembled(family, seen).equals(payload), 'all of it, in its order');
    });
  }

  await t.test('talks to the network both ways with all that its card can leave to others', async (t) => {
    const { dom0, model } = await added(t);
    const guest = await createNamespace('guest');
    t.after(() => guest.remove());
    await model.join(TAP, guest, 'eth0');
    await guest.check(['sh', '-ec', `ip link set eth0 address ${A.mac} up; ip address add ${A.ip}/24 dev eth0`]);
    for (const [server, client, address] of [
      [dom0.ns, guest, H.ip],
      [guest, dom0.ns, A.ip],
    ] as const) {
      const listening = server.spawn([process.execPath, '-e', RECEIVE]);
      const [port] = await once(createInterface({ input: listening.stdout }), 'line');
      const received = once(createInterface({ input: listening.stderr }), 'line');
      await client.check([process.execPath, '-e', SEND, address, String(port)], { timeoutMs: 60_000 });
      assert.deepEqual(await received, [String(SENT_BYTES)]);
    }
  });

  await t.test('hears what is for it, and nothing of dom0 itself', async (t) => {
    const { dom0, model } = await stage(t);
    assert.equal((await dom0.hotplug('add', { domid: 1 })).status, 0);
    assert.deepEqual(await model.collect(200), [], 'after add');
    const hears = async (hex: string): Promise<string[]> => {
      await model.send(LAN, hex);
      return (await model.collect()).filter(({ iface }) => iface === TAP).map((seen) => seen.hex);
    };
    const answer = frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip }, udp(9, 9)));
    assert.deepEqual(await hears(answer), [answer]);
    assert.deepEqual(await hears(frame(V.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: V.ip }, udp(9, 9)))), []);
  });

  await t.test('may send frames as large as its bridge takes, and hear them', async (t) => {
    const { model, arrives } = await added(t, HVM, { mtu: 9000 });
    const large = frame(G.mac, A.mac, TYPE.ip, ip4({}, udp(9, 9, '78'.repeat(8900))));
    assert.deepEqual(await arrives(large), [large]);
    const answer = frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip }, udp(9, 9, '78'.repeat(8900))));
    await model.send(LAN, answer);
    assert.deepEqual(await model.collect(), [{ iface: TAP, hex: answer }]);
  });
});

test('the tap of such a guest', { skip, concurrency: 2 }, async (t) => {
  await t.test('has its name and its place on the bridge, and is a tap again after remove', async (t) => {
    const { dom0, model } = await added(t);
    assert.equal((await dom0.link(TAP))?.master, 'br0');
    const port = await portOf(dom0);
    assert.deepEqual([port.name, port.state, port.open], [TAP, 'managed', []]);
    assert.equal((await dom0.hotplug('remove', { domid: 1 })).status, 0);
    assert.deepEqual(await aroundTap(dom0), [TAP]);
    assert.match(await dom0.ns.check(['cat', `/sys/class/net/${TAP}/tun_flags`]), /^0x.*[4567]...\s*$/);
    assert.equal((await dom0.link(TAP))?.master, undefined);
    await assert.rejects(model.send(TAP, ATTACKS[0]?.sent ?? ''), { code: 'EIO' });
  });

  await t.test('leaves nothing when its device model ends before remove', async (t) => {
    const { dom0, model } = await added(t);
    const before = await dom0.ruleset();
    assert.match(before, /vif1\.0-emu/);
    await model.exit();
    assert.equal((await dom0.hotplug('remove', { domid: 1 })).status, 0);
    assert.deepEqual(await aroundTap(dom0), []);
    assert.doesNotMatch(await dom0.ruleset(), /vif1\.0-emu/);
    assert.deepEqual(
      (await dom0.status()).map(({ name }) => name),
      ['vif1.0'],
    );
  });

  await t.test('may be added again, and again after remove', async (t) => {
    const { dom0, arrives } = await added(t);
    const [{ sent, header } = assert.fail()] = ATTACKS;
    for (const command of ['add', 'remove', 'add'] as const) {
      assert.equal((await dom0.hotplug(command, { domid: 1 })).status, 0, command);
    }
    assert.deepEqual(await arrives(sent), [sent]);
    assert.deepEqual(await arrives(sent, header), []);
  });

  await t.test('gets the name of vifname=', async (t) => {
    const { dom0, arrives } = await added(t, { ...HVM, vifname: 'web' });
    const [{ sent, header } = assert.fail()] = ATTACKS;
    assert.deepEqual(await arrives(sent), [sent]);
    assert.deepEqual(await arrives(sent, header), []);
    assert.equal((await dom0.link('web-emu'))?.master, 'br0');
    assert.equal((await dom0.hotplug('add', { domid: 1 })).status, 0);
    assert.deepEqual(await arrives(sent), [sent]);
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.deepEqual(await arrives(sent), [sent]);
    assert.equal((await dom0.hotplug('remove', { domid: 1 })).status, 0);
    assert.deepEqual(await aroundTap(dom0), [TAP]);
  });

  await t.test('is taken over from stock by reapply', async (t) => {
    const { dom0, model, arrives } = await stage(t);
    await dom0.ns.check(['ip', 'link', 'set', TAP, 'up', 'master', 'br0']);
    const all = await dom0.admin(['reapply', '--all']);
    assert.equal(all.status, 0, all.stderr);
    await model.send(LAN, frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: G.ip })));
    await changesNothing(arrives);
    assert.equal((await portOf(dom0)).state, 'managed');
  });

  for (const [what, damage] of [
    ['the way to the pair is taken away', ['tc', 'qdisc', 'del', 'dev', 'raw1.0', 'clsact']],
    ['the way to the tap is taken away', ['tc', 'qdisc', 'del', 'dev', 'sum1.0', 'clsact']],
    ['the tap is down', ['ip', 'link', 'set', 'raw1.0', 'down']],
    ['the pair may leave sums to others', ['ethtool', '-K', 'sum1.0', 'tx', 'on']],
    ['the pair is gone', ['ip', 'link', 'delete', 'sum1.0']],
  ] as const) {
    await t.test(`is seen as damaged when ${what}, and cured by reapply`, async (t) => {
      const { dom0, arrives } = await added(t);
      await dom0.ns.check(damage);
      const port = (await dom0.status()).find(({ device }) => device === TAP);
      if (what !== 'the pair is gone') {
        assert.equal(port?.state, 'damaged');
        assert.match(port?.open.join() ?? '', /raw1\.0, sum1\.0.*reapply vif1\.0-emu/);
      }
      const cured = await dom0.admin(['reapply', TAP]);
      assert.equal(cured.status, 0, cured.stderr);
      assert.equal((await portOf(dom0)).state, 'managed');
      await changesNothing(arrives);
    });
  }

  await t.test('is refused where the policy says so, and closed', async (t) => {
    const { dom0, model } = await stage(t, HVM, { policy: '[defaults]\nvnet_header = refuse\n' });
    assert.notEqual((await dom0.hotplug('add', { domid: 1 })).status, 0);
    assert.match(dom0.key(1, 'hotplug-error') ?? '', /vif1\.0-emu has a vnet header.*vnet_header/);
    await assert.rejects(model.send(TAP, ATTACKS[0]?.sent ?? ''), { code: 'EIO' });
    assert.equal((await dom0.link(TAP))?.master, undefined);
  });

  await t.test('stays the port where the policy allows it, and status says what that means', async (t) => {
    const { dom0, arrives } = await added(t, HVM, { policy: '[defaults]\nvnet_header = allow\n' });
    const [{ sent, header, forged } = assert.fail()] = ATTACKS;
    assert.deepEqual(await arrives(sent, header), [forged]);
    const port = await portOf(dom0);
    assert.equal(port.state, 'managed');
    assert.match(port.open.join(), /behind the filter: vnet_header = allow/);
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '');
    assert.equal((await portOf(dom0)).state, 'damaged');
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.deepEqual([(await portOf(dom0)).state, (await portOf(dom0)).open], ['managed', []]);
    await changesNothing(arrives);
  });

  for (const tool of ['tc', ...(form() === 'node' ? ['ethtool'] : [])]) {
    await t.test(`is refused and closed where ${tool} is missing`, async (t) => {
      const { dom0, model } = await stage(t);
      const add = await dom0.hotplug('add', { domid: 1 }, { program: PROGRAM, env: { PATH: pathWithout(dom0, tool) } });
      assert.notEqual(add.status, 0);
      const said = dom0.key(1, 'hotplug-error') ?? '';
      assert.match(said, new RegExp(`${tool} is not installed.*vnet_header = allow.*model=e1000`));
      await assert.rejects(model.send(TAP, ATTACKS[0]?.sent ?? ''), { code: 'EIO' });
      assert.equal((await dom0.hotplug('remove', { domid: 1 })).status, 0);
      assert.deepEqual(await aroundTap(dom0), [TAP]);
    });
  }

  if (form() === 'standalone') {
    await t.test('needs no ethtool where the program speaks to the kernel itself', async (t) => {
      const { dom0, model, arrives } = await stage(t);
      const path = pathWithout(dom0, 'ethtool');
      const add = await dom0.hotplug('add', { domid: 1 }, { program: PROGRAM, env: { PATH: path } });
      assert.equal(add.status, 0, dom0.key(1, 'hotplug-error'));
      await model.send(LAN, frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: G.ip })));
      await changesNothing(arrives);
    });
  }

  await t.test('is not touched by a dry run, which shows what an add would do', async (t) => {
    const { dom0 } = await stage(t);
    const shown = await dom0.hotplug('add', { domid: 1 }, { args: ['add', 'type_if=tap', '--dry-run'] });
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(shown.stdout, /name raw1\.0\nlink add name vif1\.0-emu .*-K sum1\.0 tx off.*redirect dev sum1\.0/s);
    assert.deepEqual(await aroundTap(dom0), [TAP]);
  });

  await t.test('without such a header is the port itself', async (t) => {
    const dom0 = await openDom0(t);
    const model = await openDeviceModel(dom0.ns);
    t.after(() => model.exit());
    await model.open(TAP, 'plain');
    dom0.configure(HVM);
    await dom0.bench.addVif('vif1.0');
    for (const command of ['online', 'add'] as const)
      assert.equal((await dom0.hotplug(command, { domid: 1 })).status, 0);
    assert.deepEqual(await aroundTap(dom0), [TAP]);
    assert.equal((await dom0.link(TAP))?.master, 'br0');
  });
});

const SENT_BYTES = 30_000_000;
/** Prints its port, then how many bytes of the right content have come. */
const RECEIVE = `
const server = require('net').createServer((socket) => {
  let count = 0;
  socket.on('data', (data) => { for (const byte of data) if (byte === 7) count += 1; });
  socket.on('end', () => { console.error(count); process.exit(0); });
}).listen(0, '0.0.0.0', () => console.log(server.address().port));`;
const SEND = `
const socket = require('net').connect(Number(process.argv[2]), process.argv[1], () => socket.end(Buffer.alloc(${SENT_BYTES}, 7)));
socket.on('close', (failed) => process.exit(failed ? 1 : 0));`;

async function portOf(dom0: Dom0): Promise<Port> {
  return (await dom0.status()).find(({ device }) => device === TAP) ?? assert.fail('status does not know the tap');
}

/** A folder with links to all programs of the system but one. */
function pathWithout(dom0: Dom0, tool: string): string {
  const folder = join(dom0.folder, 'programs');
  mkdirSync(folder);
  const places = (PLAIN_ENV.PATH ?? '').split(':').filter((place) => existsSync(place));
  // The first place that has a name wins, as in a path.
  const found = new Map(places.reverse().flatMap((place) => readdirSync(place).map((name) => [name, place])));
  found.delete(tool);
  for (const [name, place] of found) symlinkSync(join(place, name), join(folder, name));
  return folder;
}
