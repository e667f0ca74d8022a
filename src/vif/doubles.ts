import { isSameGuest } from '../effects/same-guest.ts';
import type { FilterPlan } from '../filter/plan.ts';
import type { Host } from '../host.ts';
import { contains, type IpPrefix, isHost, LINK_LOCAL, overlaps, parsePrefix } from '../net/ip-prefix.ts';
import { type PrefixIndex, prefixIndex } from '../net/prefix-index.ts';
import { parseVifName } from '../net/vif-name.ts';
import { once } from '../once.ts';
import { deviceFinder } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
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
    const meetings = new Map<string, Meeting>();
    const meet = (device: string): Meeting => {
      const known = meetings.get(device) ?? { macs: [], addresses: [], routed: [], sent: [] };
      meetings.set(device, known);
      return known;
    };
    for (const mac of knownBy(plan)) {
      for (const device of host.state.devicesWithMac(mac)) {
        // A MAC that both have besides their own is meant to move between them.
        if (mac === vif.mac || host.state.readVif(device)?.values.mac === mac) meet(device).macs.push(mac);
      }
    }
    const { own, routes } = ownOf(vif, plan);
    if (own.length + routes.length > 0) {
      const index = indexFor([...own, ...routes]);
      for (const [device, texts] of index.overlapping(own)) {
        const given = givenTo(host.state.readVif(device));
        for (const text of texts.filter((one) => !isDrawn(one, given)))
          (isGiven(text, given) ? meet(device).addresses : meet(device).routed).push(text);
      }
      for (const [device, texts] of index.overlapping(routes)) meet(device).sent.push(...texts);
    }
    const notes: Note[] = [];
    for (const [device, meeting] of meetings) {
      if (device === vif.device) continue;
      const record = host.state.readVif(device);
      const present = record && find(record);
      if (record === undefined || present === undefined || record.bridge !== bridge) continue;
      if (await isOneGuest(vif.device, record, vif.mac, isSame)) continue;
      notes.push(...notesOn(meeting, `${present.name} on ${bridge}, another guest`));
    }
    return notes;
  };
}

/** What one vif has in common with another one. */
interface Meeting {
  readonly macs: string[];
  /** Addresses, or blocks, of both. */
  readonly addresses: string[];
  /** Addresses that are in `routes` of the other one. */
  readonly routed: string[];
  /** What is in `routes` of this one, and in anything of the other one. */
  readonly sent: string[];
}

function notesOn({ macs, addresses, routed, sent }: Meeting, whom: string): Note[] {
  const what = [...macs, ...addresses];
  return [
    ...(what.length === 0
      ? []
      : [{ loud: true, text: `${what.join(' ')} is also given to ${whom}${wayOut(addresses)}` }]),
    ...(routed.length === 0
      ? []
      : [{ loud: false, text: `${routed.join(' ')} is in routes of ${whom}, which may send from it` }]),
    ...(sent.length === 0 ? [] : [{ loud: false, text: `routes: ${sent.join(' ')} is also of ${whom}` }]),
  ];
}

/** The MACs that can be doubles: who is not filtered, or may do nothing, has none. */
function knownBy({ mode, macs }: FilterPlan): readonly string[] {
  return mode === 'addresses' || mode === 'mac-only' ? macs : [];
}

/** What can be doubles of addresses; what `shared` of the policy names is meant. */
function ownOf(
  { addresses }: VifIdentity,
  { mode, terms: { values } }: FilterPlan,
): { readonly own: readonly IpPrefix[]; readonly routes: readonly IpPrefix[] } {
  if (mode !== 'addresses') return { own: [], routes: [] };
  const sole = new Set([...values.sole, ...values.sole6]);
  return {
    own: [...addresses.ipv4, ...addresses.ipv6].filter((one) => !isHost(one) || sole.has(one.text)),
    routes: [...values.route, ...values.route6].flatMap((text) => parsePrefix(text) ?? []),
  };
}

/** A link-local address that each may draw for itself (`link_local = any`): only one that both were given is one of both. */
function isDrawn(text: string, given: readonly string[]): boolean {
  const prefix = text.startsWith('fe') ? parsePrefix(text) : undefined;
  return prefix !== undefined && contains(LINK_LOCAL, prefix) && (!isHost(prefix) || !given.includes(text));
}

/** The addresses and blocks of a vif, without its routes. */
function givenTo(record: VifRecord | undefined): readonly string[] {
  return (record?.loaded ?? []).flatMap(({ values }) => [...(values.ip ?? []), ...(values.ip6 ?? [])]);
}

function isGiven(text: string, given: readonly string[]): boolean {
  if (given.includes(text)) return true;
  const prefix = parsePrefix(text);
  return (
    prefix !== undefined &&
    given.some((one) => {
      const other = one.includes('/') ? parsePrefix(one) : undefined;
      return other !== undefined && overlaps(other, prefix);
    })
  );
}

/** Guests with one address do not hear each other from it. */
function wayOut(addresses: readonly string[]): string {
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
