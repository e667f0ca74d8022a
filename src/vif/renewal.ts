import type { Managed } from '../backends/choice.ts';
import { LISTING_BYTES } from '../effects/exec.ts';
import type { Failures } from '../effects/together.ts';
import { asFailure, failureLine } from '../errors.ts';
import { ADDRESSES, readAddresses } from '../port/seen-port.ts';
import { deviceFinder, readOnce } from '../state/present-devices.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';
import { apply, type Wanted } from './apply.ts';
import { nameInService, presentDevice } from './device.ts';
import { type Identified, prepareIdentified, twins } from './prepare.ts';
import { recordOf } from './record.ts';
import { sealTap } from './sealed-tap.ts';

/** A vif that is to be renewed: the event that its `online` would be, and who it is. */
export interface Renewable {
  readonly event: HotplugEvent;
  readonly who: Identified;
}

/**
 * Makes rules, ports and state of vifs what their `online` would make of them now, without taking a link down.
 *
 * The caller has locked all of them.
 *
 * @returns what failed, by device
 */
export async function renew(host: Managed, vifs: readonly Renewable[]): Promise<Failures> {
  const failures: Failures = new Map();
  // It makes other devices of them.
  for (const { event, who } of vifs) {
    try {
      await sealTap(host, who.vif);
    } catch (error) {
      failures.set(event.device, asFailure(error));
    }
  }
  const sealed = vifs.filter(({ event }) => !failures.has(event.device));
  const wanted = planAll(host, sealed, failures);
  const addressed = wanted.length > FEW ? await addressedDevices(host) : undefined;
  return new Map([...failures, ...(await apply(host, wanted, { takesDown: false, ...addressed }))]);
}

/** To take the addresses of one off costs `ip` a look at those of all: for more it is told who has some. */
const FEW = 32;

async function addressedDevices(host: Managed): Promise<{ readonly addressed: ReadonlySet<string> } | undefined> {
  const [tool, ...args] = ADDRESSES;
  try {
    const { status, stdout } = await host.run(tool, args, { timeoutMs: LOOK_MS, mostBytes: LISTING_BYTES });
    return status === 0 ? { addressed: new Set(readAddresses(stdout).map(({ device }) => device)) } : undefined;
  } catch (error) {
    host.log.say('debug', `who has addresses is not known: ${failureLine(asFailure(error))}`);
    return undefined;
  }
}

const LOOK_MS = 10_000;

/** What each is to become. Nothing is changed yet; who has bad input is left as it was. */
function planAll(given: Managed, vifs: readonly Renewable[], failures: Failures): Wanted[] {
  const host = readOnce(given);
  const find = deviceFinder(host);
  const macs = new Map<string, number>();
  for (const { who } of vifs) macs.set(who.vif.mac, (macs.get(who.vif.mac) ?? 0) + 1);
  return vifs.flatMap(({ event, who }): Wanted[] => {
    const { device } = event;
    try {
      return [planOne(host, { event, who }, find, (macs.get(who.vif.mac) ?? 0) > 1)];
    } catch (error) {
      failures.set(device, asFailure(error));
      return [];
    }
  });
}

/**
 * What one is to become.
 *
 * @param hasTwin another one, which is renewed too, has its MAC
 * @throws Failure `missing` if it is not there, `input`
 */
export function planOne(host: Managed, { event, who }: Renewable, find = deviceFinder(host), hasTwin = false): Wanted {
  const before = host.state.readVif(event.device);
  const present = presentDevice(host, find, who.vif, before);
  const vif = { ...who.vif, name: nameInService(who.vif, present) };
  const prepared = prepareIdentified(
    host,
    event,
    present,
    { ...who, vif },
    (macs) => hasTwin || twins(host, vif, macs, find).length > 0,
  );
  // It stands where the run stands that it repeats (see reapply.ts); where there is none, before all runs: an offline
  // may have been started before this, and be waiting.
  const record = recordOf({ ...host, ticket: before?.ticket ?? 0 }, prepared, present, before);
  return { prepared, present, before, record };
}
