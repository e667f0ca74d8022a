import { guestVif } from '../stress/guest-vif.ts';
import { classicRound } from './classic.ts';
import { productRounds } from './product.ts';
import type { Round, Score } from './score.ts';

/** The three ways to the rules of a vif. */
export const CONTESTANTS = {
  classic: 'classic script, 22 ebtables calls',
  ebtables: 'vif-bridge, backend = ebtables',
  nftables: 'vif-bridge, backend = nftables',
} as const;
export type Contestant = keyof typeof CONTESTANTS;

/**
 * Two vifs of each guest at once, again and again.
 *
 * @param onRound called after each round
 */
export async function contest(
  who: Contestant,
  guests: number,
  rounds: number,
  onRound: (round: Round) => void = () => {},
): Promise<Score> {
  const vifs = Array.from({ length: guests }, (_, index) => [guestVif(index + 1, 0), guestVif(index + 1, 1)]).flat();
  const product = who === 'classic' ? undefined : await productRounds(who, vifs);
  const done: Round[] = [];
  try {
    while (done.length < rounds) {
      const round = await (product === undefined ? classicRound(vifs) : product.round());
      onRound(round);
      done.push(round);
    }
  } finally {
    await product?.end();
  }
  return { who: CONTESTANTS[who], rounds: done };
}
