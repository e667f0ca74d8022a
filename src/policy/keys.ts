import { DEFAULT_LIMITS } from '../filter/frame-limits.ts';
import { NO_GATEWAYS } from '../filter/gateways.ts';
import { DEFAULT_LEARN_MAX, DEFAULT_LEARN_SECONDS } from '../filter/learning.ts';
import type { FilterSwitch, NoIp } from '../filter/plan.ts';
import { DEFAULT_GAPS, FORMER_GAPS, type Gap, POSSIBLE_GAPS, REASONS, type ReasonEntry } from '../filter/reasons.ts';
import { AS_XEN_SAYS, addressChange } from './address-change.ts';
import { addressSet } from './address-set.ts';
import { filterName, folder, NO_FILTER, variables } from './filter-keys.ts';
import { frameLimit } from './frame-limit.ts';
import { gatewaySet } from './gateway-set.ts';
import { addressCount, duration, learnChoice, serverSet } from './learn.ts';
import { linkLocalSet, MADE_OF_MAC } from './link-local-set.ts';
import { listNames } from './list-names.ts';
import { type LogChoice, logChoice } from './log-choice.ts';
import { macSet } from './mac-set.ts';
import { moment } from './moment.ts';
import { optInList } from './opt-in-list.ts';
import { routeSet } from './route-set.ts';
import { choice, type ValueKind, wordList } from './value-kind.ts';

/** The kinds of sections of a policy file. Where several say something of one vif, the later kind holds. */
export const SECTION_KINDS = ['defaults', 'bridge', 'guest', 'mac', 'vif'] as const;
export type SectionKind = (typeof SECTION_KINDS)[number];

interface AnyKey<T> {
  readonly kind: ValueKind<T>;
  /** What holds where no file says anything. */
  readonly initial: T;
  /** What it decides, for people: a phrase in lower case, without a stop. */
  readonly help: string;
  /** Where it may be written. */
  readonly sections: readonly SectionKind[];
}

/** A packet filter that may hold the rules. */
export const BACKEND_NAMES = ['nftables', 'ebtables'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

/** A key of the host as a whole. */
export interface HostKey<T> extends AnyKey<T> {
  readonly of: 'host';
  readonly sections: readonly ['defaults'];
  /**
   * The backends whose rules for all vifs are made with it. Their text is then named after it (see shared-rules.ts), so
   * that a changed policy reaches the kernel; a backend sees no other key of the policy.
   */
  readonly sharedRules: readonly BackendName[];
}

/** A key of one vif: it may be another for each, so it cannot be in rules that all share. */
export interface VifKey<T> extends AnyKey<T> {
  readonly of: 'vif';
}

export type PolicyKey<T> = HostKey<T> | VifKey<T>;

/**
 * Every key of the policy file. Parser, errors, defaults, the table of docs/policy.md, the sample file and the manual
 * page are made of this (src/build/policy-texts.ts), and so is the name of the rules that all vifs share.
 */
const TABLE = {
  backend: {
    of: 'host',
    sections: ['defaults'],
    sharedRules: [],
    kind: choice<'auto' | BackendName>({
      auto: 'nftables, or ebtables where nft or its bridge family is missing',
      nftables: 'an error where it is missing',
      ebtables: 'its legacy or its nft variant (an error where it is missing)',
    }),
    initial: 'auto',
    help: 'which packet filter holds the rules',
  },
  mode: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: choice<FilterSwitch>({
      locked: 'what its addresses allow',
      observe: 'everything: nothing is filtered, and what `locked` would drop is counted by its reason',
      unlocked: 'everything, unfiltered',
      disabled: 'nothing: it is cut off',
    }),
    initial: 'locked',
    help: 'what a vif may do, whatever its addresses are',
  },
  ip: {
    of: 'vif',
    sections: ['bridge', 'guest', 'mac', 'vif'],
    kind: addressChange,
    initial: AS_XEN_SAYS,
    help: 'addresses in place of those that Xen tells; `ip += ...`: besides them',
  },
  no_ip: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: choice<NoIp>({
      'mac-only': 'any address, but only its own MAC, canonical frames and no control protocols',
      deny: 'nothing',
      unrestricted: 'everything, unfiltered',
    }),
    initial: 'mac-only',
    help: 'what a vif without ip= may do',
  },
  until: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: moment,
    initial: 'never',
    help: 'when `mode = unlocked` and `mode = observe` end by themselves: from then on they count as `locked`',
  },
  vnet_header: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: choice({
      finish: 'they are written before the filter, by a veth pair in the place of the tap',
      refuse: 'the tap is closed, and `xl create` fails',
      allow: 'they are written behind the filter: such a guest can forge what it sends',
    }),
    initial: 'finish',
    help: 'what becomes of checksums that an HVM guest may leave to the kernel',
  },
  rules: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: listNames,
    initial: [],
    help: 'which packets of its own may pass: lists of rules, [rules NAME], asked in this order',
  },
  nwfilter: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: filterName,
    initial: NO_FILTER,
    help: "a filter of libvirt's, asked about what would pass: it narrows, and opens nothing",
  },
  'nwfilter.NAME': {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: variables,
    initial: new Map(),
    help: 'the values of the variable $NAME of that filter; MAC, IP and IPV6 are there by themselves',
  },
  shared: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: addressSet,
    initial: [],
    help: 'addresses that others may have too, as a failover pair has; of all others, that somebody else bears one of its own is kept from a guest',
  },
  routes: {
    of: 'vif',
    sections: ['guest', 'mac', 'vif'],
    kind: routeSet,
    initial: [],
    help: 'blocks that are behind it: it sends from them and receives for them, and answers no ARP or ND for them',
  },
  link_local: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: linkLocalSet,
    initial: MADE_OF_MAC,
    help: 'link-local addresses of a vif that has IPv6; with `any` it may also answer for its neighbours and the router',
  },
  extra_macs: {
    of: 'vif',
    sections: ['guest', 'mac', 'vif'],
    kind: macSet,
    initial: [],
    help: 'MAC addresses that it may use besides its own; `FIRST+COUNT`: so many that follow each other',
  },
  allow: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: optInList,
    initial: [],
    help: 'what a vif may do besides, each with its own MAC and addresses; `allow += ...`: more of it',
  },
  learn: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: learnChoice,
    initial: 'off',
    help: 'whether it may have IPv4 addresses that a DHCP server gives it',
  },
  dhcp_servers: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: serverSet,
    initial: [],
    help: 'DHCP servers and relays that it may learn from; none: every station that is no guest',
  },
  learn_max: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: addressCount,
    initial: DEFAULT_LEARN_MAX,
    help: 'how many different addresses it learns, and how many others a day; one that it had before costs nothing',
  },
  limit_arp: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: frameLimit,
    initial: DEFAULT_LIMITS.arp,
    help: 'how much ARP of a guest passes',
  },
  limit_nd: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: frameLimit,
    initial: DEFAULT_LIMITS.nd,
    help: 'how much neighbour discovery (IPv6) of a guest passes',
  },
  limit_broadcast: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: frameLimit,
    initial: DEFAULT_LIMITS.broadcast,
    help: 'how many IPv4 packets to all of a guest pass',
  },
  limit_multicast: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: frameLimit,
    initial: DEFAULT_LIMITS.multicast,
    help: 'how many IP packets to groups of a guest pass; off, as it may send video',
  },
  limit_dhcp: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: frameLimit,
    initial: DEFAULT_LIMITS.dhcp,
    help: 'how much DHCP and DHCPv6 of a guest passes',
  },
  limit_igmp: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: frameLimit,
    initial: DEFAULT_LIMITS.igmp,
    help: 'how many reports of IGMP and MLD of a guest pass',
  },
  isolated: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: choice({
      no: 'as it comes from the bridge',
      yes: 'not with other isolated ports of its bridge: guests that all are reach the network, and not each other',
    }),
    initial: 'no',
    help: 'whom it may reach on its own bridge, whatever it sends (kernel 4.18)',
  },
  flood: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: choice({
      yes: 'as on every bridge; what is not for its MAC is dropped as `not-for-me`',
      no: 'none: the bridge does not even send it there',
    }),
    initial: 'yes',
    help: 'frames to one station of which the bridge does not know where it is',
  },
  gateways: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: gatewaySet,
    initial: NO_GATEWAYS,
    help: 'the only stations of its segment that it may speak with; to all it sends ARP, neighbour discovery and DHCP',
  },
  log: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: logChoice,
    initial: 'limited' as LogChoice,
    help: 'what `vif-bridge log` tells of a vif: all that is dropped of what it sends (of a flood some lines, and how many more), nothing, or what is dropped for these reasons',
  },
  hairpin: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: choice({
      off: 'dropped: nobody else has its MAC',
      on: 'IPv4 and IPv6 to itself pass: for a guest that reaches itself by an address that this host translates (DNAT)',
    }),
    initial: 'off',
    help: 'frames to a guest that bear its own MAC as source',
  },
  uplink: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: choice({
      auto: 'those of its addresses that are in a subnet of the uplink',
      proxy: 'all of them',
      routed: 'none: the network routes them to this host',
    }),
    initial: 'auto',
    help: 'for which addresses of a routed vif (vif-route) this host answers ARP and ND at the uplink',
  },
  announce: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: choice({
      yes: 'by gratuitous ARP and unsolicited advertisements, when it begins',
      no: 'they look for it where it was, until their entries end',
    }),
    initial: 'yes',
    help: 'whether the neighbours at the uplink are told of the addresses of a routed vif (vif-route) that this host answers for there',
  },
  neighbours: {
    of: 'vif',
    sections: SECTION_KINDS,
    kind: choice({
      pinned: 'what Xen says: nobody is asked, and nobody can answer',
      learned: 'what ARP and ND say: a guest that is not there is noticed',
    }),
    initial: 'pinned',
    help: 'which MAC address this host knows for the addresses of a routed vif (vif-route)',
  },
  forwarding: {
    of: 'host',
    sections: ['defaults'],
    sharedRules: [],
    kind: choice({
      check: 'an error that says what to set, and where',
      set: 'it is switched on, and the uplink goes on listening to routers (accept_ra = 2)',
    }),
    initial: 'check',
    help: 'what becomes of a routed vif (vif-route) on a host that does not forward',
  },
  learn_timeout: {
    of: 'host',
    sections: ['defaults'],
    sharedRules: ['nftables'],
    kind: duration,
    initial: DEFAULT_LEARN_SECONDS,
    help: 'how long an address is known after its lease was given or renewed; the longest lease of the site',
  },
  unmanaged: {
    of: 'host',
    sections: ['defaults'],
    sharedRules: ['nftables', 'ebtables'],
    kind: choice({
      open: 'everything, unfiltered: who was not started by this program is not touched',
      closed: 'nothing, unless Xen started it with another script: for when every guest is ours',
    }),
    initial: 'open',
    help: 'what passes a vif* port that no run has configured',
  },
  host_accept: {
    of: 'host',
    sections: ['defaults'],
    sharedRules: [],
    kind: choice({
      auto: 'bridged ones where they come there (br_netfilter) and some are dropped; routed ones with their network, and where Docker alone drops',
      yes: 'always',
      no: 'never: guests that the host drops are silent',
    }),
    initial: 'auto',
    help: "whether packets of vifs pass the host's own iptables and ip6tables (chain FORWARD)",
  },
  nwfilter_dir: {
    of: 'host',
    sections: ['defaults'],
    sharedRules: [],
    kind: folder,
    initial: '/etc/libvirt/nwfilter',
    help: 'where filters are, each as NAME.xml',
  },
  lock: {
    of: 'host',
    sections: ['defaults'],
    sharedRules: [],
    kind: choice({
      flock: 'flock(2), which the kernel releases when a run dies',
      lockfile:
        'a directory, only where flock(1) does not exist: a run that is killed leaves it, and the next one waits',
    }),
    initial: 'flock',
    help: 'how parallel runs wait for each other',
  },
  ebtables_gaps: {
    of: 'host',
    sections: ['defaults'],
    sharedRules: ['ebtables'],
    kind: wordList(POSSIBLE_GAPS, gapMeaning, FORMER_GAPS),
    initial: DEFAULT_GAPS,
    help: 'drop reasons that ebtables may miss: what it cannot check is left out for these, and closed for all others',
  },
} as const satisfies Readonly<Record<string, PolicyKey<unknown>>>;

function gapMeaning(gap: Gap): string {
  const { from, to }: ReasonEntry = REASONS[gap];
  return from === undefined ? `a guest may hear ${to}` : `a guest may ${from}`;
}

export type KeyName = keyof typeof TABLE;
export type HostKeyName = { [K in KeyName]: (typeof TABLE)[K]['of'] extends 'host' ? K : never }[KeyName];
export type VifKeyName = Exclude<KeyName, HostKeyName>;
/** The keys that the shared rules of a backend are made with. */
export type SharedKeyName<B extends BackendName> = {
  [K in HostKeyName]: B extends (typeof TABLE)[K]['sharedRules'][number] ? K : never;
}[HostKeyName];

/** The value of every key. */
export type Values = {
  readonly [K in KeyName]: (typeof TABLE)[K]['kind'] extends ValueKind<infer T> ? T : never;
};

/** What a part of a policy file says. */
export type Settings = { -readonly [K in KeyName]?: Values[K] };

export const KEYS: { readonly [K in KeyName]: PolicyKey<Values[K]> } = TABLE;

function isKeyName(text: string): text is KeyName {
  return Object.hasOwn(KEYS, text);
}

export const KEY_NAMES: readonly KeyName[] = Object.keys(KEYS).filter(isKeyName);

export function isHostKey(key: KeyName): key is HostKeyName {
  return KEYS[key].of === 'host';
}

export function isVifKey(key: KeyName): key is VifKeyName {
  return !isHostKey(key);
}

export function isSharedKey<B extends BackendName>(key: KeyName, backend: B): key is SharedKeyName<B> {
  const entry = KEYS[key];
  return entry.of === 'host' && entry.sharedRules.includes(backend);
}
