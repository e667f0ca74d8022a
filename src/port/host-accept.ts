/** The programs whose FORWARD chain bridged packets pass where br_netfilter hands them over. */
export const HOST_FILTERS = ['iptables', 'ip6tables'] as const;
export type HostFilter = (typeof HOST_FILTERS)[number];

/** Another run, or a daemon, may hold the lock of iptables. */
const WAITING = ['-w', '3'] as const;

const SIDES = ['in', 'out'] as const;

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

/** The words that take them out, command by command. `-w` is iptables' own lock. */
export function withoutAccepts(port: string): readonly (readonly string[])[] {
  return hostAccepts('-D', port).map((rule) => [...WAITING, ...rule]);
}

/** What puts them in, for all ports at once, beside what is there: options of `iptables-restore`, and its input. */
export const RESTORE: readonly string[] = [...WAITING, '--noflush'];

/** @param ports whose names need no quoting there (net/interface-name.ts) */
export function acceptsText(ports: readonly string[]): string {
  const rules = ports.flatMap((port) => hostAccepts('-I', port)).map((rule) => `${rule.join(' ')}\n`);
  return `*filter\n${rules.join('')}COMMIT\n`;
}

/** Lists the chain. */
export const LIST_FORWARD: readonly string[] = [...WAITING, '-S', 'FORWARD'];

/** A FORWARD chain, as far as packets of vifs are concerned. */
export interface ForwardChain {
  /** True if a frame that no rule takes is dropped, or some rule drops any: by Docker, ufw, firewalld of old. */
  readonly drops: boolean;
  /** Ports whose packets pass, both ways, before a rule drops all that is left. */
  readonly passing: ReadonlySet<string>;
  /** Ports that some rule of ours is about, wherever it stands. */
  readonly named: ReadonlySet<string>;
}

/** @param listed by LIST_FORWARD */
export function readForward(listed: string): ForwardChain {
  const [reached = ''] = listed.split(/^-A FORWARD -j (?:DROP|REJECT)/m);
  const [into, out] = [acceptedIn(reached, 'in'), acceptedIn(reached, 'out')];
  return {
    drops: /^-P FORWARD DROP$|^-A FORWARD .*-j (?:DROP|REJECT)/m.test(listed),
    passing: new Set([...into].filter((port) => out.has(port))),
    named: new Set([...acceptedIn(listed, 'in'), ...acceptedIn(listed, 'out')]),
  };
}

function acceptedIn(listed: string, side: (typeof SIDES)[number]): ReadonlySet<string> {
  const rule = new RegExp(`^-A FORWARD -m physdev +--physdev-${side} (\\S+) --physdev-is-bridged -j ACCEPT$`, 'gm');
  return new Set([...listed.matchAll(rule)].map(([, port = '']) => port));
}
