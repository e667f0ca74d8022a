import type { RuleDrift } from '../../backends/backend.ts';
import type { HostFilter } from '../../port/host-accept.ts';
import type { LiveVif } from '../../state/present-devices.ts';
import type { VifRecord } from '../../state/records.ts';
import type { Prepared } from '../../vif/prepare.ts';

/** One thing that is not as policy and xenstore say now. */
export interface Drift {
  /**
   * `rules`: in the packet filter; `port`: of the device and its bridge; `host`: in the host's own packet filter;
   * `xen`: what Xen was told.
   */
  readonly part: 'rules' | 'port' | 'host' | 'xen';
  /** Where it is: a set, a setting as ip-link(8) and bridge(8) call it, a key. */
  readonly what: string;
  /** Null: nothing should be there. */
  readonly wished: string | null;
  /** Null: nothing is there. */
  readonly found: string | null;
  /** Somebody is less protected; else only the guest is served worse. */
  readonly security: boolean;
}

/** A vif, and in what it differs. */
export interface VerifiedVif {
  readonly device: string;
  readonly name: string;
  readonly bridge: string | null;
  readonly drift: readonly Drift[];
  /** Why it could not be compared; null if it could. */
  readonly trouble: string | null;
}

export function ruleDriftOf({ place, change, what }: RuleDrift): Drift {
  const missing = change === 'missing';
  return { part: 'rules', what: place, wished: missing ? what : null, found: missing ? null : what, security: true };
}

/**
 * What is other in the rules of one vif.
 *
 * @param damage what `look` says of them
 */
export function rulesDrift(elements: readonly RuleDrift[], damage: string | undefined): Drift[] {
  // A set that has lost something is told element by element.
  const told = damage === undefined || (elements.length > 0 && damage.startsWith('the set '));
  return [...elements.map(ruleDriftOf), ...(told ? [] : [damageDrift(damage)])];
}

/** What others have put there, and `takeOut` would take out. */
export function straysIn(drifts: readonly RuleDrift[]): RuleDrift[] {
  return drifts.filter(({ change, recorded }) => change === 'foreign' && !recorded);
}

/** A record with the name that its device has now. */
export function inService({ record, device }: LiveVif): VifRecord {
  return { ...record, name: device.name };
}

/** @param what whose rules, where that is not clear */
export function damageDrift(damage: string, what = 'rules'): Drift {
  return { part: 'rules', what, wished: 'as they were loaded', found: damage, security: true };
}

/** The host's own rules drop what it is to forward. */
export function silence(filter: HostFilter): Drift {
  return { part: 'host', what: `${filter} FORWARD`, wished: 'accept (host_accept)', found: null, security: false };
}

/** What Xen was told of it; a vif by hand has told nobody. */
export function told({ prepared: { event, keys } }: { readonly prepared: Pick<Prepared, 'event' | 'keys'> }): Drift[] {
  if (event.xenbus === undefined || keys === undefined) return [];
  const status = keys.get('hotplug-status') ?? null;
  const error = keys.get('hotplug-error') ?? '';
  return [
    ...(status === 'connected'
      ? []
      : [{ part: 'xen', what: 'hotplug-status', wished: 'connected', found: status, security: false } as const]),
    ...(error === ''
      ? []
      : [{ part: 'xen', what: 'hotplug-error', wished: null, found: error, security: false } as const]),
  ];
}
