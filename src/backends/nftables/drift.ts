import ipaddr from 'ipaddr.js';
import { toolFailure } from '../../effects/exec.ts';
import { macText } from '../../net/mac-address.ts';
import { once } from '../../once.ts';
import { guestGroup, indexOfGroup } from '../../port/guest-group.ts';
import type { PlannedPort, RuleDrift } from '../backend.ts';
import { currentBase } from '../base.ts';
import { EXEMPT_SET } from './base-text.ts';
import { canonical } from './canonical.ts';
import { type Listing, partsOf, setsOf } from './counters.ts';
import { removeElements } from './elements.ts';
import { indexHash, listedHash } from './index-hash.ts';
import { listedElements } from './listed-elements.ts';
import { elementsOf, keyOf, LEARNING, OWN_NAMES, PORTS_SET } from './own.ts';
import { elementText } from './raw-element.ts';
import type { RawTable } from './raw-listing.ts';
import { ownText } from './raw-own.ts';
import { NFT, type Nft } from './transaction.ts';

/** Sets whose elements are ours alone: what vifs own, and who is exempt. */
const OURS: readonly string[] = [...OWN_NAMES.map(({ name }) => name), EXEMPT_SET];

/**
 * Compares the sets of the kernel with the plans, element by element. What traffic itself puts into sets (counters,
 * conversations, what was learned by who may learn) is not compared.
 *
 * @param listing of the table
 * @param all they are all vifs there are
 */
export function ruleDrift(
  { host, holder }: Nft,
  listing: Listing,
  { planned, all }: { readonly planned: readonly PlannedPort[]; readonly all: boolean },
): RuleDrift[] {
  const owners = ownersOf(planned);
  const listed = listedElements(listing, (set) => {
    if (set === LEARNING.learned) return (port) => owners.has(port);
    if (!OURS.includes(set)) return undefined;
    // Of ports that were not asked for nothing is known here.
    return all ? () => true : (port) => ownerOf(port, set, owners) !== undefined || !isPortOf(port, set);
  });
  const recorded = once(
    () =>
      new Set(
        planned.flatMap(({ loaded }) =>
          loaded.flatMap((terms) =>
            [...elementsOf(keyOf(terms.ifindex), terms)].flatMap(([set, keys]) =>
              keys.map((text) => `${set} ${canonical(text)}`),
            ),
          ),
        ),
      ),
  );
  const wanted = new Map<string, Map<string, Wanted>>();
  for (const { port, plan } of planned) {
    for (const [set, keys] of elementsOf(keyOf(port.ifindex), plan.terms)) {
      const own = wanted.get(set) ?? new Map<string, Wanted>();
      wanted.set(set, own);
      for (const text of keys) own.set(canonical(text), { device: port.device, text });
    }
  }
  const exempt = new Map(
    (currentBase(host, holder)?.exempt ?? []).map(({ name, ifindex }): [string, Wanted] => [
      canonical(indexHash(ifindex)),
      { device: name, text: indexHash(ifindex) },
    ]),
  );
  if (listed.has(EXEMPT_SET)) wanted.set(EXEMPT_SET, exempt);
  const learners = new Set(
    planned
      .filter(({ plan }) => plan.terms.flags.includes('learns'))
      .map(({ port }) => String(guestGroup(port.ifindex))),
  );
  return [
    ...OURS.flatMap((set) => {
      const own = wanted.get(set) ?? new Map<string, Wanted>();
      const found = new Map((listed.get(set) ?? []).map((element) => [element.canonical, element]));
      const missing = [...own].flatMap(([key, { device, text }]): RuleDrift[] =>
        found.has(key) ? [] : [drift(device, set, 'missing', text)],
      );
      const foreign = [...found].flatMap(([key, element]): RuleDrift[] => {
        if (own.has(key)) return [];
        return [
          {
            ...drift(ownerOf(element.port, set, owners), set, 'foreign', element.text),
            recorded: recorded().has(`${set} ${key}`),
          },
        ];
      });
      return [...missing, ...foreign];
    }),
    ...(listed.get(LEARNING.learned) ?? []).flatMap((element): RuleDrift[] => {
      const owner = owners.get(element.port);
      if (owner === undefined || learners.has(element.port)) return [];
      return [drift(owner, LEARNING.learned, 'foreign', element.text)];
    }),
  ];
}

/**
 * True if the kernel has all that the plans say, and nothing else of these ports. False where that is not sure: then
 * the whole is to be listed, and compared by ruleDrift().
 *
 * @param table of the ports that are planned; all of them if all are
 */
export function isAsPlanned(
  { host, holder }: Pick<Nft, 'host' | 'holder'>,
  { own, listing }: RawTable,
  planned: readonly PlannedPort[],
): boolean {
  const wanted = new Map<string, Set<string | undefined>>();
  for (const { port, plan } of planned) {
    for (const [set, keys] of elementsOf(keyOf(port.ifindex), plan.terms)) {
      const texts = wanted.get(set) ?? new Set();
      wanted.set(set, texts);
      for (const text of keys) texts.add(ownText(set, text));
    }
  }
  const exempt = currentBase(host, holder)?.exempt ?? [];
  wanted.set(EXEMPT_SET, new Set(exempt.map(({ ifindex }) => ownText(PORTS_SET, indexHash(ifindex)))));
  const isSame = OURS.every((set) => {
    const texts = wanted.get(set) ?? new Set();
    const found = own.get(set);
    // There is no such set where nobody can be in it.
    if (found === undefined) return set === EXEMPT_SET || texts.size === 0;
    return found.length === texts.size && found.map(elementText).every((text) => text !== undefined && texts.has(text));
  });
  const strangers = new Set(
    planned.filter(({ plan }) => !plan.terms.flags.includes('learns')).map(({ port }) => guestGroup(port.ifindex)),
  );
  const learned = (setsOf(listing).get(LEARNING.learned) ?? []).map((one) => Number(partsOf(one).parts[0]));
  return isSame && !learned.some((group) => strangers.has(group));
}

interface Wanted {
  readonly device: string;
  readonly text: string;
}

/** Takes foreign elements out, in one transaction. */
export async function takeOut({ host }: Nft, foreign: readonly RuleDrift[]): Promise<void> {
  const sets = new Map<string, string[]>();
  for (const { place, text, change } of foreign) {
    if (change === 'foreign') sets.set(place, [...(sets.get(place) ?? []), text]);
  }
  if (sets.size === 0) return;
  const input = `${removeElements(sets).join('\n')}\n`;
  const result = await host.run('nft', NFT, { input });
  if (result.status !== 0) throw toolFailure('nft', NFT, result);
}

/** Ports by what stands for them in sets: their group, and in one set a hash of their index. */
function ownersOf(planned: readonly PlannedPort[]): ReadonlyMap<string, string> {
  return new Map(
    planned.flatMap(({ port }): [string, string][] =>
      port.ifindex === undefined
        ? []
        : [
            [String(guestGroup(port.ifindex)), port.device],
            [`hash ${listedHash(port.ifindex)}`, port.device],
          ],
    ),
  );
}

function ownerOf(port: string, set: string, owners: ReadonlyMap<string, string>): string | undefined {
  return owners.get(set === PORTS_SET || set === EXEMPT_SET ? `hash ${port}` : port);
}

/** It names one port, which may be another one's that is as it should be. */
function isPortOf(port: string, set: string): boolean {
  if (set === EXEMPT_SET) return false;
  return set === PORTS_SET || indexOfGroup(Number(port)) !== undefined;
}

function drift(device: string | undefined, set: string, change: RuleDrift['change'], text: string): RuleDrift {
  return { device, place: set, change, what: readable(text), text, recorded: false };
}

/** Addresses in plain bits as people write them, and no group of a port, which is told besides. */
function readable(text: string): string {
  const parts = text.split(' . ').map((part) => part.replace(/0x[0-9a-f]+/g, address));
  return (parts.length > 1 && /^\d+$/.test(parts[0] ?? '') ? parts.slice(1) : parts)
    .join(' ')
    .replace(/^(\d{10})(?= |$)/, (group) => (indexOfGroup(Number(group)) === undefined ? group : 'the port'))
    .trim();
}

function address(hex: string): string {
  const digits = hex.slice(2);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  if (bytes.length === 4 || bytes.length === 16) return ipaddr.fromByteArray([...bytes]).toString();
  return bytes.length === 6 ? macText(BigInt(hex)) : hex;
}
