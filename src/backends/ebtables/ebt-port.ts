import { asFailure, Failure, failureLine } from '../../errors.ts';
import { DENIED_TERMS, isObserved } from '../../filter/own-terms.ts';
import { DIRECTIONS } from '../../filter/reasons.ts';
import { parseDeviceName } from '../../net/interface-name.ts';
import type { BaseRecord, VifRecord } from '../../state/records.ts';
import { textDigest } from '../../text-digest.ts';
import type { PlannedPort } from '../backend.ts';
import { portOfRecord } from '../base.ts';
import { chainsOf, closedChainsOf } from './chains.ts';
import { countsOf } from './listing.ts';
import type { EbtChain } from './stages.ts';
import type { Ebt } from './tables.ts';
import { type EbtPort, renderChains } from './text.ts';

/** What is compiled for a vif. */
export interface OwnChains extends ReturnType<typeof chainsOf> {
  /** Its rules cannot be followed. */
  readonly closed?: true;
}

export function compiled({ host }: Ebt, planned: PlannedPort): OwnChains {
  return chainsOf(planned.plan, host.policy);
}

/** The same, or why ebtables cannot follow its rules. */
export function compiledIfPossible(ebt: Ebt, planned: PlannedPort): OwnChains | Failure {
  try {
    return compiled(ebt, planned);
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code !== 'input') throw error;
    return failure;
  }
}

/** The chains of a vif, both directions. */
export function chainsIn(own: OwnChains): EbtChain[] {
  return DIRECTIONS.flatMap((direction) => own[direction].chains);
}

export function digestOf(own: OwnChains): string {
  return textDigest(renderChains(chainsIn(own), 'nft'));
}

/** A port, and the chains that are to be loaded for it. */
interface ToLoad {
  readonly port: EbtPort;
  readonly chains: readonly EbtChain[];
}

export function toLoad(planned: PlannedPort, own: OwnChains): ToLoad {
  return { port: portOf(planned, own), chains: chainsIn(own) };
}

/**
 * One that nobody has asked for now: a mistake in its policy must not keep all others from theirs. It goes on as it was
 * loaded; where that is gone it is closed.
 *
 * @param before what it has in the kernel; undefined if that is not whole
 */
export function ofRecord(ebt: Ebt, record: VifRecord, before: EbtPort | undefined): ToLoad {
  const { host } = ebt;
  const planned = portOfRecord(host, record);
  const own = planned instanceof Failure ? planned : compiledIfPossible(ebt, planned);
  if (!(own instanceof Failure || planned instanceof Failure)) return toLoad(planned, own);
  const why = own instanceof Failure ? failureLine(own) : '';
  if (before !== undefined) {
    host.log.say('err', `${record.device} goes on as it was loaded: ${why}`);
    return { port: { ...before, name: record.name }, chains: [] };
  }
  host.log.say('err', `${record.device} is closed: ${why}`);
  const closed = planned instanceof Failure ? deniedPort(record) : planned;
  return toLoad(closed, { ...closedChainsOf(closed.plan, host.policy), closed: true });
}

/** Of whom nothing is known but the device. */
function deniedPort({ device, name, bridge, ifindex, ingress }: VifRecord): PlannedPort {
  const of = parseDeviceName(device, 'state');
  const plan = { device: of, mode: 'deny', macs: [], terms: DENIED_TERMS, allow: [] } as const;
  return { port: { device, name, bridge, ifindex, ingress }, plan, loaded: [], hadIngress: false };
}

export function portOf({ port, plan }: PlannedPort, own: OwnChains): EbtPort {
  return {
    device: port.device,
    name: port.name,
    open: plan.terms.flags.includes('open'),
    ...(isObserved(plan.terms) ? { observed: true } : {}),
    ...(plan.terms.flags.includes('lldp') ? { lldp: true } : {}),
    chains: chainsIn(own).map((chain) => chain.name),
    counts: DIRECTIONS.flatMap((direction) => countsOf(own[direction].chains, direction)),
    digest: digestOf(own),
    ...(own.closed === true ? { closed: true } : {}),
    macs: plan.terms.values.mac,
  };
}

/**
 * A port that has chains is not exempt any more, whatever the base's record still says; nor is a later one of its name.
 */
export function exemptNames({ host }: Ebt, exempt: BaseRecord['exempt'], ports: readonly EbtPort[]): string[] {
  const taken = new Set(ports.map((port) => port.name));
  return exempt
    .filter(({ name, ifindex }) => !taken.has(name) && host.readDevice(name)?.ifindex === ifindex)
    .map(({ name }) => name);
}
