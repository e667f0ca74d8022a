import { FIRST_GUEST_GROUP, GUEST_GROUP_MASK } from './guest-group.ts';

/** The programs whose FORWARD chain routed packets pass, and bridged ones where br_netfilter hands them over. */
export const HOST_FILTERS = ['iptables', 'ip6tables'] as const;
export type HostFilter = (typeof HOST_FILTERS)[number];

/** Another run, or a daemon, may hold the lock of iptables. */
const WAITING = ['-w', '3'] as const;

const SIDES = ['in', 'out'] as const;

/** Whose packets are to pass. */
export interface AcceptedPort {
  /** Needs no quoting there (net/interface-name.ts). */
  readonly name: string;
  /** Of a vif that is on no bridge. */
  readonly routed?: RoutedAccept;
}

/** Undefined: to and from everywhere. Else with what is behind this device, and with others that we route for. */
export interface RoutedAccept {
  readonly uplink: string | undefined;
}

/**
 * The rules that stock puts for a vif (vif-common.sh: frob_iptable), without addresses: those are asked before, by
 * rules of our own.
 */
function hostAccepts(how: '-I' | '-D', port: string): readonly (readonly string[])[] {
  return SIDES.map((side) => [
    ...[how, 'FORWARD', '-m', 'physdev', '--physdev-is-bridged'],
    ...[`--physdev-${side}`, port, '-j', 'ACCEPT'],
  ]);
}

/**
 * Stock puts the same for a routed vif, and no routed packet is ever bridged: here they are by its device. The comment
 * says whose they are.
 */
function routedAccepts(name: string, { uplink }: RoutedAccept): readonly (readonly string[])[] {
  const group = [FIRST_GUEST_GROUP, GUEST_GROUP_MASK].map((bits) => `0x${bits.toString(16)}`).join('/');
  const matches =
    uplink === undefined
      ? [
          ['-i', name],
          ['-o', name],
        ]
      : [
          ['-i', name, '-o', uplink],
          ['-i', uplink, '-o', name],
          ['-i', name, '-m', 'devgroup', '--dst-group', group],
        ];
  return matches.map((match) => [...match, '-m', 'comment', '--comment', `"${COMMENT}${name}"`, '-j', 'ACCEPT']);
}

const COMMENT = 'vif-bridge:';

/** So many rules are for one. */
export function rulesFor({ name, routed }: AcceptedPort): number {
  return routed === undefined ? SIDES.length : routedAccepts(name, routed).length;
}

/** The words that take those of a port of a bridge out, command by command. `-w` is iptables' own lock. */
export function withoutAccepts(port: string): readonly (readonly string[])[] {
  return hostAccepts('-D', port).map((rule) => [...WAITING, ...rule]);
}

/** What takes those of a routed vif out, for `iptables-restore`; empty if there are none. */
export function withoutRouted(port: string, chain: ForwardChain): string {
  return filterText((chain.routed.get(port)?.rules ?? []).map((rule) => rule.replace(/^-A/, '-D')));
}

/** What puts them in, for all ports at once, beside what is there: options of `iptables-restore`, and its input. */
export const RESTORE: readonly string[] = [...WAITING, '--noflush'];

/**
 * Those of routed vifs stand behind what the host says itself, where that leaves anything to them.
 *
 * @param chain as it is; undefined: nobody knows
 */
export function acceptsText(ports: readonly AcceptedPort[], chain?: ForwardChain): string {
  const how = chain === undefined || chain.ends ? '-I' : '-A';
  return filterText(
    ports.flatMap(({ name, routed }) =>
      routed === undefined
        ? hostAccepts('-I', name).map((rule) => rule.join(' '))
        : routedAccepts(name, routed).map((rule) => [how, 'FORWARD', ...rule].join(' ')),
    ),
  );
}

function filterText(rules: readonly string[]): string {
  return rules.length === 0 ? '' : `*filter\n${rules.map((rule) => `${rule}\n`).join('')}COMMIT\n`;
}

/** Lists the chain. */
export const LIST_FORWARD: readonly string[] = [...WAITING, '-S', 'FORWARD'];

/** A FORWARD chain, as far as packets of vifs are concerned. */
export interface ForwardChain {
  /** True if a frame that no rule takes is dropped, or some rule drops any: by Docker, ufw, firewalld of old. */
  readonly drops: boolean;
  /** A rule drops all that comes to it. */
  readonly ends: boolean;
  /** It drops what no rule takes, and all rules are Docker's: nobody has thought of guests. */
  readonly dockers: boolean;
  /** Ports whose packets pass, both ways, before a rule drops all that is left. */
  readonly passing: ReadonlySet<string>;
  /** Ports that some rule of ours is about, wherever it stands. */
  readonly named: ReadonlySet<string>;
  /** Routed vifs that rules of ours are about. */
  readonly routed: ReadonlyMap<string, { readonly rules: readonly string[]; readonly reached: number }>;
}

/** @param listed by LIST_FORWARD */
export function readForward(listed: string): ForwardChain {
  const [reached = ''] = listed.split(/^-A FORWARD -j (?:DROP|REJECT)/m);
  const [into, out] = [acceptedIn(reached, 'in'), acceptedIn(reached, 'out')];
  const routed = new Map<string, { rules: string[]; reached: number }>();
  for (const [rule, name = ''] of listed.matchAll(ROUTED)) {
    const one = routed.get(name) ?? { rules: [], reached: 0 };
    one.rules.push(rule);
    one.reached += reached.includes(rule) ? 1 : 0;
    routed.set(name, one);
  }
  return {
    drops: /^-P FORWARD DROP$|^-A FORWARD .*-j (?:DROP|REJECT)/m.test(listed),
    ends: reached !== listed,
    dockers: areDockers(listed),
    passing: new Set([...into].filter((port) => out.has(port))),
    named: new Set([...acceptedIn(listed, 'in'), ...acceptedIn(listed, 'out')]),
    routed,
  };
}

/** iptables quotes a comment that has more than letters, digits, `_` and `-`. */
const ROUTED = new RegExp(`^-A FORWARD .*--comment "?${COMMENT}(\\S+?)"? -j ACCEPT$`, 'gm');

/** As its versions 20 to 29 write them: jumps to chains of its own, and what it says of its bridges. */
function areDockers(listed: string): boolean {
  if (!/^-P FORWARD DROP$/m.test(listed)) return false;
  const others = listed
    .split('\n')
    .filter((line) => line.startsWith('-A FORWARD ') && !line.includes('--physdev-is-bridged'))
    .filter((line) => !line.includes(COMMENT));
  const bridges = others.flatMap((line) => / -o (\S+) -j DOCKER$/.exec(line)?.[1] ?? []);
  const isDockers = (line: string): boolean => {
    const bridge = / -[io] (\S+)/.exec(line)?.[1] ?? '';
    return (
      / -j DOCKER(?:-|$)/.test(line) ||
      line.includes('--match-set docker-') ||
      bridges.includes(bridge) ||
      /^(?:docker0|docker_gwbridge|br-[0-9a-f]{12})$/.test(bridge)
    );
  };
  return others.some((line) => / -j DOCKER-/.test(line)) && others.every(isDockers);
}

function acceptedIn(listed: string, side: (typeof SIDES)[number]): ReadonlySet<string> {
  const rule = new RegExp(`^-A FORWARD -m physdev +--physdev-${side} (\\S+) --physdev-is-bridged -j ACCEPT$`, 'gm');
  return new Set([...listed.matchAll(rule)].map(([, port = '']) => port));
}
