import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { FIRST_GUEST_GROUP } from '../../src/port/guest-group.ts';
import type { Dom0 } from './dom0.ts';
import { openGuests, type TestFrame } from './verdict.ts';

export const OF_ANOTHER = '[mac 00:16:3e:00:00:77]\nallow = vlan:10-20\n';

/**
 * Guests that have VLANs 10 to 20. Bridges of this kernel may not filter VLANs, and there `online` refuses the word. So
 * another guest has it in the policy, which is enough for the shared rules, and their elements are entered by hand.
 */
export async function openTrunks(t: TestContext, ports: readonly string[] = ['vif1.0', 'vif2.0']): Promise<Dom0> {
  const dom0 = await openGuests(t, undefined, undefined, { policy: OF_ANOTHER });
  await giveVlans(dom0, ports);
  return dom0;
}

/** The elements, and the records of them. */
export async function giveVlans(dom0: Dom0, ports: readonly string[], vlans = '10-20'): Promise<void> {
  for (const port of ports) {
    const { ifindex } = (await dom0.link(port)) ?? assert.fail(port);
    const element = `{ ${FIRST_GUEST_GROUP + ifindex} . ${vlans} }`;
    await dom0.ns.check(['nft', 'add', 'element', 'bridge', 'xen-vif', 'own-vlan', element]);
    const file = join(dom0.state, 'vif', `${port}.json`);
    const record = JSON.parse(readFileSync(file, 'utf8'));
    record.loaded[0].values.vlan = [vlans];
    writeFileSync(file, JSON.stringify(record));
  }
}

/** Two MACs, the tag, and what was behind them. */
export function tagged(hex: string, tag: string): string {
  return `${hex.slice(0, 24)}${tag}${hex.slice(24)}`;
}

/** What may be in a VLAN; RARP only goes out. */
const INSIDE = ['0800', '86dd', '0806'];

/** The kernel drops a tag with less than two bytes behind it before any hook (net/core/skbuff.c: skb_vlan_untag). */
const LEAST = 2 * 16;

/**
 * The same frames with a tag. Not those of dom0: their tag stays inside, as this bridge takes none off
 * (net/bridge/br_vlan.c: __allowed_ingress).
 */
export function behindTags(all: readonly TestFrame[]): TestFrame[] {
  return all.filter(({ sender, hex }) => sender !== 'H' && hex.length >= LEAST).map(behindTag);
}

function behindTag(one: TestFrame): TestFrame {
  const type = one.hex.slice(24, 28);
  const inside = INSIDE.includes(type) || (type === '8035' && one.direction === 'from-guest');
  const hex = tagged(one.hex, '8100000f');
  const name = `in VLAN 15: ${one.name}`;
  // To the groups of the link nothing passes, with a tag or without.
  if (inside) return { ...one, name, hex };
  return { name, sender: one.sender, direction: one.direction, hex, expect: 'drop' };
}
