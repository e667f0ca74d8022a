import { isSameGuest } from '../effects/same-guest.ts';
import type { Host } from '../host.ts';
import { type IpPrefix, isHost } from '../net/ip-prefix.ts';
import { type PrefixIndex, prefixIndex } from '../net/prefix-index.ts';
import { parseVifName } from '../net/vif-name.ts';
import { once } from '../once.ts';
import { deviceFinder } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import type { Note, Subject } from './notes.ts';

type DoubleHost = Pick<Host, 'state' | 'readDevice' | 'deviceNames' | 'bootId' | 'run'>;

/**
 * Finds other guests on the bridge of a vif that have its MAC or an address of it. An HVM NIC's two ports, a guest and
 * its stub domain, a guest that comes or goes by a reboot or a migration to this host: each of these is one guest.
 *
 * From an index of the state: one look, and nothing more where nobody has the same.
 */
export function doubleFinder(host: DoubleHost): (subject: Subject) => Promise<readonly Note[]> {
  const find = deviceFinder(host);
  const whole = once((): PrefixIndex => prefixIndex(host.state.addresses()));
  let asked = 0;
  /** Who asks once need not know all. */
  const indexFor = (own: readonly IpPrefix[]): PrefixIndex => {
    asked += 1;
    return asked === 1 && own.every(isHost) ? prefixIndex(host.state.addresses(own.map(({ text }) => text))) : whole();
  };
  const known = new Map<string, Promise<boolean | undefined>>();
  const isSame = (one: number, other: number): Promise<boolean | undefined> => {
    const key = [one, other].sort((a, b) => a - b).join(' ');
    const asked = known.get(key) ?? isSameGuest(host.run, one, other);
    known.set(key, asked);
    return asked;
  };
  return async ({ vif, plan, bridge }) => {
    if (plan.mode !== 'addresses' && plan.mode !== 'mac-only') return [];
    const sole = new Set([...plan.terms.values.sole, ...plan.terms.values.sole6]);
    // What `shared` of the policy names is meant.
    const own =
      plan.mode === 'addresses'
        ? [...vif.addresses.ipv4, ...vif.addresses.ipv6].filter((one) => !isHost(one) || sole.has(one.text))
        : [];
    const shared = own.length === 0 ? new Map<string, string[]>() : indexFor(own).overlapping(own);
    for (const mac of [...plan.macs].reverse()) {
      for (const device of host.state.devicesWithMac(mac)) {
        // A MAC that both have besides their own is meant to move between them.
        if (mac !== vif.mac && host.state.readVif(device)?.values.mac !== mac) continue;
        shared.set(device, [mac, ...(shared.get(device) ?? [])]);
      }
    }
    const notes: Note[] = [];
    for (const [device, what] of shared) {
      if (device === vif.device) continue;
      const record = host.state.readVif(device);
      const present = record && find(record);
      if (record === undefined || present === undefined || record.bridge !== bridge) continue;
      if (await isOneGuest(vif.device, record, vif.mac, isSame)) continue;
      notes.push({
        loud: true,
        text: `${what.join(' ')} is also given to ${present.name} on ${bridge}, another guest${wayOut(what)}`,
      });
    }
    return notes;
  };
}

/** Guests with one address do not hear each other from it. */
function wayOut(what: readonly string[]): string {
  const addresses = what.filter((one) => !/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(one));
  return addresses.length === 0 ? '' : `; if that is meant: shared = ${addresses.join(' ')} in the policy of both`;
}

/** Where xenstore does not say, two with one MAC are taken for one: only what is sure is worth an alarm. */
async function isOneGuest(
  device: string,
  { device: other, values }: VifRecord,
  mac: string,
  isSame: (one: number, other: number) => Promise<boolean | undefined>,
): Promise<boolean> {
  const [domid, otherDomid] = [parseVifName(device)?.domid, parseVifName(other)?.domid];
  if (domid === undefined || otherDomid === undefined) return values.mac === mac;
  return domid === otherDomid || ((await isSame(domid, otherDomid)) ?? values.mac === mac);
}
