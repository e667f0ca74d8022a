import { readGuestName } from '../effects/guest-names.ts';
import { isSameGuest } from '../effects/same-guest.ts';
import { Failure } from '../errors.ts';
import { isObserved } from '../filter/own-terms.ts';
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

/** Others that have something of a vif, and what. */
interface Neighbour {
  readonly record: VifRecord;
  readonly name: string;
  readonly meeting: Meeting;
  /** Undefined where xenstore does not say whether they are one guest. */
  readonly same: boolean | undefined;
}

/**
 * Finds other guests on the bridge of a vif that have its MAC or an address of it. An HVM NIC's two ports, a guest and
 * its stub domain, a guest that comes or goes by a reboot or a migration to this host: each of these is one guest.
 *
 * From an index of the state: one look, and nothing more where nobody has the same.
 */
export function doubleFinder(host: DoubleHost): (subject: Subject) => Promise<readonly Note[]> {
  const neighboursOf = neighbourFinder(host);
  return async (subject) =>
    (await neighboursOf(subject))
      // Where xenstore does not say, two with one MAC are taken for one: only what is sure is worth an alarm.
      .filter(({ same, record }) => !(same ?? record.values.mac === subject.vif.mac))
      .flatMap(({ meeting, name }) => notesOn(meeting, `${name} on ${subject.bridge}, another guest`));
}

/**
 * Refuses a new vif that has the MAC or an address of another guest on its bridge, who would lose it. Who was only
 * standing near (a block that holds the address of a neighbour, a guest of which xenstore does not say who it is) is
 * told, and no more.
 *
 * @param only of a vif that runs: the addresses that it has not had
 * @throws Failure `input` with the name of the other one
 */
export async function refuseDouble(host: DoubleHost, subject: Subject, only?: readonly string[]): Promise<void> {
  // Who is only observed, or not filtered, is not kept from anything.
  if (isObserved(subject.plan.terms)) return;
  for (const { meeting, record, same, name } of await neighbourFinder(host)(subject)) {
    const { routed } = subject;
    // A route leads to one of them only, also that of a block.
    const all = routed
      ? [...new Set([...meeting.equal, ...sameBlocks(subject, meeting)])]
      : [...meeting.macs, ...meeting.equal];
    const what = only === undefined ? all : all.filter((text) => only.includes(text));
    const isOther = same === false || (routed === true && same === undefined && record.values.mac !== subject.vif.mac);
    if (!isOther || what.length === 0) continue;
    const guest = await nameOf(host, record.device);
    throw new Failure('input', `${what.join(' ')} is also given to ${name} on ${subject.bridge}, ${guest}`, {
      hint: `give one of them another one${wayOut(meeting.equal)}`,
    });
  }
}

async function nameOf(host: DoubleHost, device: string): Promise<string> {
  const domid = parseVifName(device)?.domid;
  try {
    return domid === undefined ? 'another guest' : `of the guest ${await readGuestName(host.run, domid)}`;
  } catch {
    return 'another guest';
  }
}

function sameBlocks({ vif }: Subject, { addresses }: Meeting): string[] {
  const own = new Set([...vif.addresses.ipv4, ...vif.addresses.ipv6].map(({ text }) => text));
  return addresses.filter((text) => own.has(text));
}

function neighbourFinder(host: DoubleHost): (subject: Subject) => Promise<readonly Neighbour[]> {
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
  return async ({ vif, plan, bridge, routed }) => {
    const meetings = new Map<string, Meeting>();
    const meet = (device: string): Meeting => {
      const known = meetings.get(device) ?? { macs: [], equal: [], addresses: [], routed: [], sent: [] };
      meetings.set(device, known);
      return known;
    };
    for (const mac of knownBy(plan)) {
      for (const device of host.state.devicesWithMac(mac)) {
        // A MAC that both have besides their own is meant to move between them.
        if (mac === vif.mac || host.state.readVif(device)?.values.mac === mac) meet(device).macs.push(mac);
      }
    }
    const { own, shared, routes } = ownOf(vif, plan);
    if (own.length + routes.length > 0) {
      const index = indexFor([...own, ...routes]);
      // Of most nobody has anything.
      const isAlone = index.isAlone(vif.device, [...own, ...routes]);
      for (const [device, texts] of isAlone ? [] : index.overlapping(own)) {
        const record = host.state.readVif(device);
        const given = givenTo(record);
        for (const text of texts.filter((one) => !isDrawn(one, given))) {
          if (isEqual(text, own, given) && !(shared.has(text) && isSharedBy(record, text)))
            meet(device).equal.push(text);
          if (shared.has(text)) continue;
          (isGiven(text, given) ? meet(device).addresses : meet(device).routed).push(text);
        }
      }
      if (!isAlone) for (const [device, texts] of index.overlapping(routes)) meet(device).sent.push(...texts);
    }
    const neighbours: Neighbour[] = [];
    for (const [device, meeting] of meetings) {
      if (device === vif.device) continue;
      const record = host.state.readVif(device);
      const present = record && find(record);
      if (record === undefined || present === undefined) continue;
      // Routes are those of the whole host; a bridge is a network of its own.
      if ((record.routed !== undefined) !== (routed === true)) continue;
      if (routed !== true && record.bridge !== bridge) continue;
      const same = await isOneGuest(vif.device, device, isSame);
      if (same !== true) neighbours.push({ record, name: present.name, meeting, same });
    }
    return neighbours;
  };
}

/** What one vif has in common with another one. */
interface Meeting {
  readonly macs: string[];
  /** Single addresses that both have, and not both of them share. */
  readonly equal: string[];
  /** Addresses, or blocks, of both; what `shared` of this one names is meant. */
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

interface Own {
  readonly own: readonly IpPrefix[];
  /** Of them those single ones that the policy shares. */
  readonly shared: ReadonlySet<string>;
  readonly routes: readonly IpPrefix[];
}

/** What can be doubles of addresses. */
function ownOf({ addresses }: VifIdentity, { mode, terms: { values } }: FilterPlan): Own {
  if (mode !== 'addresses') return { own: [], shared: new Set(), routes: [] };
  const sole = new Set([...values.sole, ...values.sole6]);
  const own = [...addresses.ipv4, ...addresses.ipv6];
  return {
    own,
    shared: new Set(own.flatMap((one) => (isHost(one) && !sole.has(one.text) ? [one.text] : []))),
    routes: [...values.route, ...values.route6].flatMap((text) => parsePrefix(text) ?? []),
  };
}

/** A link-local address that each may draw for itself (`link_local = any`): only what both were given is of both. */
function isDrawn(text: string, given: readonly string[]): boolean {
  const prefix = text.startsWith('fe') ? parsePrefix(text) : undefined;
  return prefix !== undefined && contains(LINK_LOCAL, prefix) && (!isHost(prefix) || !given.includes(text));
}

/** The addresses and blocks of a vif, without its routes. */
function givenTo(record: VifRecord | undefined): readonly string[] {
  return (record?.loaded ?? []).flatMap(({ values }) => [...(values.ip ?? []), ...(values.ip6 ?? [])]);
}

function isEqual(text: string, own: readonly IpPrefix[], given: readonly string[]): boolean {
  return !text.includes('/') && given.includes(text) && own.some((one) => one.text === text);
}

/** Its policy shared it when it was configured last. */
function isSharedBy(record: VifRecord | undefined, text: string): boolean {
  return !(record?.loaded ?? []).some(({ values: { sole = [], sole6 = [] } }) => [...sole, ...sole6].includes(text));
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

/** Undefined where xenstore does not say, or a name that somebody made up does not say which domains they are of. */
async function isOneGuest(
  device: string,
  other: string,
  isSame: (one: number, other: number) => Promise<boolean | undefined>,
): Promise<boolean | undefined> {
  const [domid, otherDomid] = [parseVifName(device)?.domid, parseVifName(other)?.domid];
  if (domid === undefined || otherDomid === undefined) return undefined;
  return domid === otherDomid || isSame(domid, otherDomid);
}
