import type { Managed } from '../backends/choice.ts';
import type { Failures } from '../effects/together.ts';
import { asFailure } from '../errors.ts';
import { deviceFinder } from '../state/present-devices.ts';
import { announce } from './announce.ts';
import { nameInService, presentDevice } from './device.ts';
import type { Renewable } from './renewal.ts';
import { applyRoute, type WantedRoute, wantedRoute } from './routed-apply.ts';
import { planRoute } from './routed-plan.ts';
import { sealTap } from './sealed-tap.ts';
import { readUplink } from './uplink.ts';

/**
 * Makes rules, routes and state of routed vifs what their `online` would make of them now, without taking a link down.
 *
 * The caller has locked all of them.
 *
 * @returns what failed, by device
 */
export async function renewRoutes(host: Managed, vifs: readonly Renewable[]): Promise<Failures> {
  const failures: Failures = new Map();
  for (const renewable of vifs) {
    try {
      await sealTap(host, renewable.who.vif);
      const wanted = await planRenewal(host, renewable);
      await applyRoute(host, wanted, false);
      await announce(host, wanted.prepared, wanted.before?.routed);
    } catch (error) {
      failures.set(renewable.event.device, asFailure(error));
    }
  }
  return failures;
}

/**
 * What one is to become.
 *
 * @throws Failure `missing` if it is not there, `input`
 */
export async function planRenewal(host: Managed, { event, who }: Renewable): Promise<WantedRoute> {
  const before = host.state.readVif(event.device);
  const present = presentDevice(host, deviceFinder(host), who.vif, before);
  const vif = { ...who.vif, name: nameInService(who.vif, present) };
  const uplink = await readUplink(host, vif.uplink);
  const prepared = planRoute(host, { ...who, vif }, event, uplink, present);
  // It stands where the run stands that it repeats (commands/reapply.ts).
  return wantedRoute({ ...host, ticket: before?.ticket ?? 0 }, prepared, present, before);
}
