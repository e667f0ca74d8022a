import { buildPlan } from '../filter/plan.ts';
import type { Host } from '../host.ts';
import { parseInterfaceName } from '../net/interface-name.ts';
import type { Policy } from '../policy/keys.ts';
import type { BaseRecord, VifRecord } from '../state/records.ts';
import { parseIdentity } from '../xen/vif-identity.ts';
import type { PlannedPort } from './backend.ts';

/** The base as our state knows it, if it is of this boot, this backend and this version. */
export function currentBase(host: Host): BaseRecord | undefined {
  const base = baseOfThisBoot(host);
  if (base === undefined || backendOf(base) !== host.backend.name) return undefined;
  return base.sentinel.startsWith(sentinelPrefix(host)) ? base : undefined;
}

/** Whatever base was made last since the host was started. */
export function baseOfThisBoot(host: Pick<Host, 'state' | 'bootId'>): BaseRecord | undefined {
  const base = host.state.readBase();
  return base?.bootId === host.bootId() ? base : undefined;
}

/** The backend that holds a base; the first versions only had one. */
export function backendOf(base: BaseRecord): NonNullable<BaseRecord['backend']> {
  return base.backend ?? 'nftables';
}

/**
 * The record of a base that is to be made with these vifs.
 *
 * Ports that carry a running guest when the very first base is made are exempt: installing this program must not cut
 * off guests that stock started. Later repairs keep only those exemptions.
 */
export function newBase(host: Host, records: readonly VifRecord[]): BaseRecord {
  const managed = new Set(records.map((record) => record.ifindex));
  const known = baseOfThisBoot(host)?.exempt ?? runningPorts(host);
  const exempt = known.filter(
    (port) => !managed.has(port.ifindex) && host.readDevice(port.name)?.ifindex === port.ifindex,
  );
  return {
    schema: 1,
    bootId: host.bootId(),
    sentinel: `${sentinelPrefix(host)}${Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString('hex')}`,
    backend: host.backend.name,
    auto: host.policy.backend === 'auto',
    ...(host.backend.name === 'ebtables' ? { tools: host.backend.tools } : {}),
    exempt,
  };
}

/** Says in the log what was made, and who stays unfiltered. */
export function reportBase(host: Host, base: BaseRecord, earlier: BaseRecord | undefined, vifs: number): void {
  const made = earlier === undefined ? 'made' : 'repaired';
  const why = host.policy.backend === 'auto' ? ', chosen by backend = auto' : '';
  const tool = host.backend.name === 'ebtables' ? ` (${host.backend.tools.restore})` : '';
  host.log.say('info', `${made} the base of the filter with ${vifs} vifs in ${host.backend.name}${tool}${why}`);
  for (const port of base.exempt) {
    host.log.say(
      'warning',
      `${port.name} was running before and stays unfiltered until: vif-bridge reapply ${port.name}`,
    );
  }
}

/** The plan of a vif as it was configured last; undefined (and logged) if its record makes no sense. */
export function recordedPort(host: Host, record: VifRecord): PlannedPort | undefined {
  try {
    const device = parseInterfaceName(record.device, 'state');
    const vif = parseIdentity(
      { device, type: record.type, domid: undefined, devid: undefined },
      record.values,
      'state',
    );
    const plan = buildPlan(vif, host.policy.no_ip, record.subnetBroadcasts);
    const port = { device: record.device, name: record.name, ifindex: record.ifindex, ingress: record.ingress };
    return { port, plan, loaded: [], hadIngress: false };
  } catch (error) {
    host.log.say('err', `${record.device} stays closed: its state is not usable (${String(error)})`);
    return undefined;
  }
}

/** The first half of the sentinel: which version of the base it is. */
export function sentinelPrefix(host: Host): string {
  const { backend, policy } = host;
  const built = typeof VIF_BRIDGE_BASE_DIGESTS === 'undefined' ? undefined : VIF_BRIDGE_BASE_DIGESTS;
  const known = backend.name === 'nftables' ? built?.[policy.unmanaged] : undefined;
  return `base/${known ?? backend.baseDigest(policy)}-`;
}

/** Put in by the build, which has just printed the bases of nftables: a run need not print one to know its name. */
declare const VIF_BRIDGE_BASE_DIGESTS: Readonly<Record<Policy['unmanaged'], string>> | undefined;

function runningPorts(host: Host): { name: string; ifindex: number }[] {
  return host
    .deviceNames()
    .filter((name) => name.startsWith('vif'))
    .flatMap((name) => host.readDevice(name) ?? [])
    .filter((device) => device.master !== undefined && device.up)
    .map(({ name, ifindex }) => ({ name, ifindex }));
}
