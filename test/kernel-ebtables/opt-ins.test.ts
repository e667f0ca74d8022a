/**
 * The key `allow` with ebtables: with all gaps accepted each word opens what it opens with nftables, but for what is
 * listed here; by default what IPv4 needs no gap for. A guest without a word is given nothing by those of another one.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DEFAULT_GAPS, POSSIBLE_GAPS } from '../../src/filter/reasons.ts';
import { obstacle, openDom0 } from '../kernel/dom0.ts';
import { A, V } from '../kernel/frames.ts';
import { OTHER_WORDS, WITH_THE_WORD, WORDS } from '../kernel/opt-ins.ts';
import { GUEST_A, GUEST_V, judge, type TestFrame } from '../kernel/verdict.ts';

const skip = obstacle();

/** ebtables sees of a later fragment of IPv6 that it is one, and nothing else. */
const LOST = ['forwarding: a later fragment of another over IPv6', 'router: a later fragment of another over IPv6'];

/** The frames that arrive if the guest with this MAC has every word. */
async function arriving(
  t: test.TestContext,
  mac: string,
  gaps: readonly string[],
  frames: readonly TestFrame[],
): Promise<readonly string[]> {
  const policy = `[defaults]\nbackend = ebtables\nebtables_gaps = ${gaps.join(' ')}\n[mac ${mac}]\nallow = ${WORDS.join(' ')}\n`;
  const dom0 = await openDom0(t, { policy });
  await dom0.start(GUEST_A);
  await dom0.start(GUEST_V);
  const seen = await judge(dom0, frames);
  return frames
    .filter((one) =>
      one.direction === 'to-guest' ? seen.get(one)?.arrived.includes('A') : (seen.get(one)?.arrived.length ?? 0) > 0,
    )
    .map(({ name }) => name);
}

test('a guest beside one that has every word has none', { skip }, async (t) => {
  // ebtables does not see options of IPv4, and by default lets them pass (the gap ip-opt).
  assert.deepEqual(await arriving(t, V.mac, DEFAULT_GAPS, OTHER_WORDS), ['ip-options: record route']);
});

test('a guest with every word, all gaps accepted', { skip }, async (t) => {
  const passed = await arriving(t, A.mac, POSSIBLE_GAPS, WITH_THE_WORD);
  const lost = WITH_THE_WORD.filter(({ name }) => !passed.includes(name)).map(({ name }) => name);
  assert.deepEqual(lost, LOST);
});
