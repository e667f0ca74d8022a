/** Frames between a guest with rules, another guest and a gateway, and what becomes of each. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, openDom0 } from './dom0.ts';
import { A, frame, G, ip4, ip6, TYPE, V } from './frames.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

export type End = 'A' | 'G' | 'V';
export const PORT: Readonly<Record<End, string>> = { A: 'guest1.0', G: 'gw0', V: 'guest2.0' };
export const STATION = { A, G, V };

/** A frame between two stations. */
export function between(from: End, to: End, type: number, payload: Buffer): string {
  return frame(STATION[to].mac, STATION[from].mac, type, payload);
}
export const ipv4 = (
  from: End,
  to: End,
  protocol: number,
  payload: Buffer,
  more: Parameters<typeof ip4>[0] = {},
): string =>
  between(from, to, TYPE.ip, ip4({ src: STATION[from].ip, dst: STATION[to].ip, protocol, ...more }, payload));
export const ipv6 = (from: End, to: End, next: number, payload: Buffer, hops = 64): string =>
  between(from, to, TYPE.ip6, ip6({ src: STATION[from].ip6, dst: STATION[to].ip6, next, hops }, payload));
export const SYN = 0x02;
export const ACK = 0x10;
export const FIN = 0x01;
export const RST = 0x04;

/** What each of these becomes, one after the other: a line is `who -> whom`, the frame, and whether it arrives. */
export type Step = readonly [title: string, from: End, to: End, hex: string, arrives: boolean];

export async function play(dom0: Dom0, wire: Wire, steps: readonly Step[]): Promise<void> {
  for (const [title, from, to, hex, arrives] of steps) {
    await wire.collect(0);
    await wire.send(PORT[from], hex);
    const seen = await wire.collect();
    const came = seen.some(({ iface, hex: what }) => iface === PORT[to] && what === hex);
    assert.equal(
      came,
      arrives,
      `${title}: ${from} -> ${to}\n${came ? '' : await dom0.ns.check(['nft', 'list', 'ruleset'])}`.slice(0, 400),
    );
  }
}

/** Both guests run: `guest1` is A, `guest2` is V. */
export async function openRuled(t: TestContext, policy: string): Promise<{ dom0: Dom0; wire: Wire }> {
  const dom0 = await openDom0(t, { policy });
  await dom0.start({ ...GUEST_A, name: 'guest1' });
  await dom0.start({ ...GUEST_V, name: 'guest2' });
  const wire = await dom0.openWire(Object.values(PORT));
  await wire.send(PORT.G, `${'ff'.repeat(6)}${G.mac.replaceAll(':', '')}88b5`);
  await wire.collect();
  return { dom0, wire };
}
