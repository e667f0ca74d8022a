import type { Managed } from '../backends/choice.ts';
import type { Failures } from '../effects/together.ts';
import { asFailure } from '../errors.ts';
import type { IpPrefix } from '../net/ip-prefix.ts';
import { deviceFinder } from '../state/present-devices.ts';
import { announce } from './announce.ts';
import { nameInService, presentDevice } from './device.ts';
import type { Identified } from './prepare.ts';
import type { Renewable } from './renewal.ts';
import { applyRoutes, type WantedRoute, wantedRoute } from './routed-apply.ts';
import { planRoute, routedAddresses } from './routed-plan.ts';
import { sealTap } from './sealed-tap.ts';
import { readUplink, type Uplink, uplinkName } from './uplink.ts';
import { withForeignEntries } from './uplink-entries.ts';

/**
 * Makes rules, routes and state of routed vifs what their `online` would make of them now, without taking a link down.
 *
 * The caller has locked all of them.
 *
 * @returns what failed, by device
 */
export async function renewRoutes(host: Managed, vifs: readonly Renewable[]): Promise<Failures> {
  const failures: Failures = new Map();
  if (vifs.length === 0) return failures;
  const wanted: WantedRoute[] = [];
  const uplinkOf = uplinksOf(host, vifs);
  for (const renewable of vifs) {
    try {
      await sealTap(host, renewable.who.vif);
      wanted.push(await planRenewal(host, renewable, uplinkOf));
    } catch (error) {
      failures.set(renewable.event.device, asFailure(error));
    }
  }
  for (const [device, failure] of await applyRoutes(host, wanted, { takesDown: false })) failures.set(device, failure);
  for (const { prepared, before, record } of wanted) {
    if (!failures.has(record.device)) await announce(host, prepared, before?.routed);
  }
  return failures;
}

type UplinkOf = (who: Identified) => Promise<Uplink>;

/** One look at each uplink for all vifs that are behind it. */
export function uplinksOf(host: Managed, vifs: readonly Renewable[]): UplinkOf {
  const asked = new Map<string, Promise<Uplink>>();
  const addressesOf = (who: Identified): IpPrefix[] => {
    try {
      return routedAddresses(host, who);
    } catch {
      // Whose policy is wrong is told of it when he is planned.
      return [];
    }
  };
  return ({ vif: { uplink } }) => {
    const name = uplinkName(host, uplink);
    const known =
      asked.get(name) ??
      readUplink(
        host,
        uplink,
        vifs.flatMap(({ who }) => (uplinkName(host, who.vif.uplink) === name ? addressesOf(who) : [])),
      );
    asked.set(name, known);
    return known;
  };
}

/**
 * What one is to become.
 *
 * @throws Failure `missing` if it is not there, `input`
 */
export async function planRenewal(
  host: Managed,
  { event, who }: Renewable,
  uplinkOf: UplinkOf = uplinksOf(host, [{ event, who }]),
): Promise<WantedRoute> {
  const before = host.state.readVif(event.device);
  const present = presentDevice(host, deviceFinder(host), who.vif, before);
  const vif = { ...who.vif, name: nameInService(who.vif, present) };
  const planned = planRoute(host, { ...who, vif }, event, await uplinkOf(who), present);
  const prepared = await withForeignEntries(host, planned, before, before?.routed);
  // It stands where the run stands that it repeats (commands/reapply.ts).
  return wantedRoute({ ...host, ticket: before?.ticket ?? 0 }, prepared, present, before);
}
