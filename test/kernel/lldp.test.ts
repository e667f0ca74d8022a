/** `allow = lldp`: to the bridge itself, and both ways where the bridge forwards these groups. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Dom0, obstacle } from './dom0.ts';
import { A, frame, G, V } from './frames.ts';
import { GUEST_A, GUEST_V, openGuests } from './verdict.ts';

const skip = obstacle();
const NEAREST = '01:80:c2:00:00:0e';
/** What is for the nearest bridge no hook sees on its way to this host (net/bridge/br_input.c: br_handle_frame). */
const FURTHER = '01:80:c2:00:00:03';
const LLDPDU = `0207${'04'}00163e000001040704${'00163e000001'}060200780000`.padEnd(92, '0');
const lldp = (src: string, dst = NEAREST, type = 0x88cc): string => frame(dst, src, type, LLDPDU);

async function lay(dom0: Dom0, policy: string): Promise<void> {
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), policy);
  const { status, stderr } = await dom0.admin(['reapply', '--all']);
  assert.equal(status, 0, stderr);
}

/** How many frames to groups of the link were dropped of A. */
async function dropped(dom0: Dom0): Promise<number> {
  const [port] = await dom0.status();
  return (port?.drops ?? [])
    .filter(({ reason, direction }) => reason === 'link-local' && direction === 'from-guest')
    .reduce((sum, { packets }) => sum + packets, 0);
}

for (const backend of ['nftables', 'ebtables']) {
  const head = backend === 'nftables' ? '' : '[defaults]\nbackend = ebtables\n';
  const word = `${head}[mac ${A.mac}]\nallow = lldp\n`;
  test(`${backend}: LLDP to this host`, { skip }, async (t) => {
    const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: head });
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
    const counts = async (hex: string): Promise<number> => {
      const before = await dropped(dom0);
      await wire.send('guest1.0', hex);
      await wire.collect();
      return (await dropped(dom0)) - before;
    };
    assert.equal(await counts(lldp(A.mac, FURTHER)), 1, 'without the word');
    await lay(dom0, word);
    assert.equal(await counts(lldp(A.mac, FURTHER)), 0);
    for (const [what, hex] of [
      ['of another MAC', lldp(V.mac, FURTHER)],
      ['EAPOL', lldp(A.mac, '01:80:c2:00:00:03', 0x888e)],
      ['LACP', lldp(A.mac, '01:80:c2:00:00:02', 0x8809)],
    ] as const)
      assert.equal(await counts(hex), 1, what);
    await lay(dom0, head);
    assert.equal(await counts(lldp(A.mac, FURTHER)), 1, 'the word is gone');
  });

  test(`${backend}: LLDP on a bridge that forwards it`, { skip }, async (t) => {
    const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: word });
    await dom0.ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'group_fwd_mask', '0x4000']);
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
    const arrives = async (from: string, hex: string): Promise<string[]> => {
      await wire.send(from, hex);
      return [...new Set((await wire.collect()).flatMap((seen) => (seen.hex === hex ? [seen.iface] : [])))].sort();
    };
    // The guest beside it has no word, and hears none.
    assert.deepEqual(await arrives('guest1.0', lldp(A.mac)), ['gw0']);
    assert.deepEqual(await arrives('gw0', lldp(G.mac)), ['guest1.0']);
    assert.deepEqual(await arrives('guest2.0', lldp(V.mac)), []);
    assert.deepEqual(await arrives('guest1.0', lldp(V.mac)), []);
    assert.deepEqual(await arrives('guest1.0', lldp(A.mac, NEAREST, 0x88b5)), []);
  });
}
