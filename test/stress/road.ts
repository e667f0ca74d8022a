import { waitForForwarding } from '../lab/bench.ts';
import { openWire, type Wire } from '../lab/wire.ts';
import { buildFleet, clean, type Fleet, type TestContext } from './fleet.ts';
import type { GuestVif } from './guest-vif.ts';
import type { Form } from './rounds.ts';

/** A dom0 that knows what is right, and a wire to the outside of its ports. */
export interface Road {
  readonly fleet: Fleet;
  readonly wire: Wire;
}

/**
 * Builds it, with one of the vifs in service and forwarding.
 *
 * @param ends interfaces that the wire sends and listens at
 */
export async function openRoad(
  t: TestContext,
  form: Form,
  vifs: readonly GuestVif[],
  inService: GuestVif,
  ends: (fleet: Fleet) => readonly string[],
): Promise<Road> {
  const fleet = await buildFleet(t, form, vifs);
  await fleet.learn();
  clean(await fleet.run('online', inService));
  if (form !== 'route') await waitForForwarding(fleet.bench.ns, inService.device);
  const wire = await openWire(fleet.bench.ns, ends(fleet));
  t.after(() => wire.exit());
  return { fleet, wire };
}
