import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listedHash } from '../../src/backends/nftables/index-hash.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import type { Namespace } from '../lab/namespace.ts';
import type { Xenstored } from '../lab/xenstored.ts';
import type { GuestVif } from './guest-vif.ts';
import type { Form } from './rounds.ts';

/**
 * All that can be seen of vifs: rules, forwarding entries, port options, links, state files, xenstore. A line says one
 * fact; what tells one vif from another stands in it as `<mac>` and the like, so two vifs in the same situation have
 * the same lines. Lines that name no vif are `shared`.
 */
export interface HostPicture {
  readonly shared: readonly string[];
  /** By device; empty for one of which nothing is to be seen. */
  readonly of: ReadonlyMap<string, readonly string[]>;
}

/** Where to look. */
export interface Subject {
  readonly ns: Namespace;
  readonly bridge: string;
  readonly store: Xenstored;
  readonly stateDirectory: string;
  readonly form: Form;
  readonly vifs: readonly GuestVif[];
}

/** What each kind of thing says of itself; `nft` and `ebtables` show both backends' rules. */
export async function takePicture(subject: Subject): Promise<HostPicture> {
  const { ns, bridge, form } = subject;
  const links = await ns.check(['ip', '-d', '-j', 'link', 'show']);
  const lines = [
    ...ruleLines(await ns.check(['nft', '-j', 'list', 'ruleset'])),
    ...(form === 'ebtables' ? textLines('ebtables', await ns.check(['ebtables-nft-save'])) : []),
    ...(form === 'route' ? await routeLines(ns) : []),
    ...fdbLines(await ns.check(['bridge', '-j', 'fdb', 'show', 'br', bridge])),
    ...linkLines(links),
    ...textLines('sysctl', await ns.check(['sh', '-c', 'grep . /proc/sys/net/ipv6/conf/vif*/disable_ipv6'])),
    ...stateLines(subject.stateDirectory),
    ...subject.vifs.flatMap((vif) =>
      ['hotplug-status', 'hotplug-error'].map(
        (key) => `xenstore ${vif.device} ${key} = ${subject.store.read(`${vif.backend}/${key}`) ?? '(none)'}`,
      ),
    ),
  ];
  // Another number each time the base is made; that kernel and state have the same one is what counts.
  const sentinel = sentinelOf(subject);
  const general = sentinel === undefined ? lines : lines.map((line) => line.replaceAll(sentinel, '<sentinel>'));
  return sortLines(withPortNames(general, links), subject.vifs);
}

/**
 * The rules know a port by its interface group, which holds the index of the device, and by a hash of that index: here
 * it has the device's name.
 */
function withPortNames(lines: readonly string[], links: string): string[] {
  const rows = JSON.parse(links) as { ifname: string; ifindex: number }[];
  const names = new Map(
    rows.flatMap(({ ifname, ifindex }) => [
      [String(guestGroup(ifindex)), ifname],
      [String(listedHash(ifindex)), ifname],
    ]),
  );
  return lines.map((line) => line.replace(/\b\d{7,10}\b/g, (number) => names.get(number) ?? number));
}

/** Differences between two lists of lines, doubles included: `- ` is missing, `+ ` is too much. */
export function differences(expected: readonly string[], seen: readonly string[]): string[] {
  const count = new Map<string, number>();
  for (const line of seen) count.set(line, (count.get(line) ?? 0) + 1);
  for (const line of expected) count.set(line, (count.get(line) ?? 0) - 1);
  return [...count].flatMap(([line, n]) => (n === 0 ? [] : [`${n > 0 ? '+' : '-'} ${line} (${Math.abs(n)})`]));
}

function sortLines(lines: readonly string[], vifs: readonly GuestVif[]): HostPicture {
  const names = new Map(
    vifs.flatMap((vif) => identifying(vif).map(([text, label]) => [text, { vif, label }] as const)),
  );
  const shared: string[] = [];
  const of = new Map<string, string[]>(vifs.map((vif) => [vif.device, []]));
  for (const line of lines) {
    let owner: GuestVif | undefined;
    const general = line.replace(
      /backend\/vif\/\d+\/\d+|vif\d+\.\d+|\d+(?:\.\d+){3}|[0-9a-f]*:[0-9a-f:]+|[0-9a-f]{8,}/g,
      (text) => {
        const known = names.get(text);
        if (known === undefined || (owner !== undefined && owner !== known.vif)) return text;
        owner = known.vif;
        return known.label;
      },
    );
    (owner === undefined ? shared : of.get(owner.device))?.push(general);
  }
  return { shared: shared.sort(), of: new Map([...of].map(([device, own]) => [device, own.sort()])) };
}

/** The texts that belong to one vif only, in every form in which tools print them. */
function identifying(vif: GuestVif): [text: string, label: string][] {
  const mac = vif.mac.replaceAll(':', '');
  const [, , , , fifth = '', sixth = ''] = vif.mac.split(':');
  const low = vif.ipv6.slice(vif.ipv6.lastIndexOf(':') + 1).padStart(4, '0');
  const ipv4 = vif.ipv4.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  return [
    [vif.device, '<vif>'],
    [vif.mac, '<mac>'],
    [mac, '<mac>'],
    [String(Number.parseInt(mac, 16)), '<mac>'],
    [vif.ipv4, '<ipv4>'],
    [String(ipv4), '<ipv4>'],
    [ipv4.toString(16).padStart(8, '0'), '<ipv4>'],
    [vif.ipv6, '<ipv6>'],
    [`fd00${low.padStart(28, '0')}`, '<ipv6>'],
    [`fe8000000000000002163efffe5e${fifth}${sixth}`, '<link-local of mac>'],
    [vif.xenbus, '<xenbus>'],
    // RFC 4291 §2.7.1, RFC 2464 §7: solicited-node groups and their MAC; the link-local address of the MAC.
    [`ff02::1:ff00:${low}`, '<group of ipv6>'],
    [`33:33:ff:00:${low.slice(0, 2)}:${low.slice(2)}`, '<MAC of group of ipv6>'],
    [`fe80::216:3eff:fe5e:${(Number.parseInt(fifth + sixth, 16) || 0).toString(16)}`, '<link-local of mac>'],
    [`ff02::1:ff5e:${(Number.parseInt(fifth + sixth, 16) || 0).toString(16)}`, '<group of link-local>'],
    [`33:33:ff:5e:${fifth}:${sixth}`, '<MAC of group of link-local>'],
  ];
}

function sentinelOf({ stateDirectory, form }: Subject): string | undefined {
  const file = join(stateDirectory, form === 'route' ? 'base-routed.json' : 'base.json');
  if (!existsSync(file)) return undefined;
  return (JSON.parse(readFileSync(file, 'utf8')) as { sentinel?: string }).sentinel;
}

interface NftSet {
  readonly name: string;
  readonly elem?: readonly unknown[];
}

/** One line per chain, rule, set and element. Rules of a chain keep their place among its rules. */
function ruleLines(json: string): string[] {
  const entries = (JSON.parse(json) as { nftables: readonly Record<string, { chain?: string; table?: string }>[] })
    .nftables;
  const places = new Map<string, number>();
  return entries.flatMap((entry) => {
    const [kind = '', what = {}] = Object.entries(entry)[0] ?? [];
    if (kind === 'metainfo') return [];
    if (kind === 'set' || kind === 'map') {
      const { elem = [], ...set } = what as unknown as NftSet;
      // What was counted depends on traffic.
      const elements = set.name.startsWith('drops') ? [] : elem;
      return [`nft ${kind} ${plain(set)}`, ...elements.map((one) => `nft element of ${set.name} ${plain(one)}`)];
    }
    const place =
      what.chain === undefined || !(what.table?.startsWith('xen-vif') === true || what.chain.startsWith('vif'))
        ? ''
        : ` ${next(places, `${what.table} ${what.chain}`)}`;
    return [`nft ${kind}${place} ${plain(what)}`];
  });
}

function next(places: Map<string, number>, key: string): number {
  const place = (places.get(key) ?? 0) + 1;
  places.set(key, place);
  return place;
}

/** JSON without handles (they count changes) and without what counters count. */
function plain(value: unknown): string {
  return JSON.stringify(value, (key, inner) => (['handle', 'packets', 'bytes'].includes(key) ? undefined : inner));
}

function textLines(what: string, text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => `${what} ${line}`);
}

/**
 * Forwarding entries of addresses of guests or at their ports; those of the ports themselves and of multicast groups
 * come and go with links.
 */
function fdbLines(json: string): string[] {
  const rows = JSON.parse(json || '[]') as { mac: string; ifname: string; flags?: string[]; state?: string }[];
  return rows
    .filter((row) => row.state !== 'permanent')
    .filter((row) => row.mac.startsWith(XEN_OUI) || row.ifname.startsWith('vif'))
    .map((row) => `fdb ${row.mac} ${row.ifname} ${row.state ?? ''} ${(row.flags ?? []).join(' ')}`);
}

/** What this host routes to vifs, whom it knows there, and for whom it answers elsewhere. */
async function routeLines(ns: Namespace): Promise<string[]> {
  const lists = [
    'ip route',
    'ip -6 route',
    'ip neigh show nud permanent',
    'ip neigh show proxy',
    'ip -6 neigh show proxy',
  ];
  const lines = await Promise.all(lists.map(async (list) => textLines(list, await ns.check(list.split(' ')))));
  // Links that have just come up have no carrier for a moment.
  return lines.flat().map((line) => line.replace(/ (?:dead|linkdown)\b/g, '').trimEnd());
}

const XEN_OUI = '00:16:3e:';

interface LinkRow {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly master?: string;
  readonly group?: string;
  readonly address: string;
  readonly linkinfo?: { readonly info_slave_data?: Readonly<Record<string, unknown>> };
}

const PORT_OPTIONS = [
  'state',
  'learning',
  'locked',
  'root_block',
  'guard',
  'flood',
  'mcast_flood',
  'bcast_flood',
  'isolated',
];

function linkLines(json: string): string[] {
  return (JSON.parse(json) as LinkRow[])
    .filter((row) => row.ifname.startsWith('vif'))
    .flatMap((row) => {
      const up = row.flags.includes('UP') ? 'up' : 'down';
      const port = row.linkinfo?.info_slave_data ?? {};
      return [
        `link ${row.ifname} ${up} master ${row.master ?? '(none)'}`,
        `link ${row.ifname} mtu ${row.mtu} address ${row.address}`,
        // Off its bridge a device keeps the group, so that whoever joins it again finds it closed.
        ...(row.master === undefined ? [] : [`port ${row.ifname} group ${row.group}`]),
        ...PORT_OPTIONS.filter((option) => option in port).map(
          (option) => `port ${row.ifname} ${option} ${port[option]}`,
        ),
      ];
    });
}

/**
 * One line per value of each state file. Locks are never removed; notes of offlines and of what the log has said, and
 * drafts of killed runs, go with time. The rules for the host's own file are those that are in the picture anyway.
 */
function stateLines(directory: string): string[] {
  return files(directory, '')
    .filter((file) => !/^(lock|offline|draft|noted)\/|\.nft$/.test(file))
    .flatMap((file) => {
      const text = readFileSync(join(directory, file), 'utf8');
      const values = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
      return [
        `state ${file}`,
        ...Object.entries(values)
          .filter(([key]) => !['ticket', 'since', 'ifindex', 'bootId'].includes(key))
          // A digest of rules that name the vif; these are in the picture themselves.
          .filter(([key]) => key !== 'digest' || !file.startsWith('ebtables/'))
          .map(([key, value]) => `state ${file} ${key} ${stateValue(key, value)}`),
      ];
    });
}

function stateValue(key: string, value: unknown): string {
  // Of what nft lists, with the sentinel's number in it; the listing itself is part of the picture.
  if (key === 'listing') return '<digest>';
  return JSON.stringify(value).replace(/"ifindex":\d+/g, '"ifindex":0');
}

function files(directory: string, below: string): string[] {
  return readdirSync(join(directory, below)).flatMap((name) => {
    const path = below === '' ? name : `${below}/${name}`;
    // A link of ours leads somewhere only in the network that has its device.
    const what = statSync(join(directory, path), { throwIfNoEntry: false });
    if (what === undefined) return [];
    return what.isDirectory() ? files(directory, path) : [path];
  });
}
