import { DIRECTIONS } from '../../src/filter/reasons.ts';
import type { Dom0 } from './dom0.ts';

/** Leaves every frame to the stages. */
export async function leaveShortWay(dom0: Dom0): Promise<void> {
  const text = DIRECTIONS.map(
    (direction) =>
      `flush chain bridge xen-vif ${direction}/quick\nadd rule bridge xen-vif ${direction}/quick goto ${direction}/start\n`,
  );
  await dom0.ns.check(['nft', '-f', '-'], { input: text.join('') });
}
