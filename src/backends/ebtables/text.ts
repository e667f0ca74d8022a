import { ETHERTYPE, LINK_LOCAL_MAC, STP_MAC } from '../../filter/wire.ts';
import { GUEST_PORTS, isGuestPort } from '../../net/vif-name.ts';
import type { SharedPolicy } from '../../policy/shared-rules.ts';
import type { EbtTools } from '../../state/records.ts';
import { optionText, protocolName } from './fields.ts';
import { type EbtChain, mainChain } from './stages.ts';

/** A vif whose chains are loaded, as the dispatch has to know it. */
export interface EbtPort {
  readonly device: string;
  /** The name the kernel has for it now; ebtables knows ports by name only. */
  readonly name: string;
  /** Not filtered at all (`no_ip = unrestricted`): link-local frames too. */
  readonly open: boolean;
  /** Counted, and not filtered: link-local frames too. */
  readonly observed?: boolean | undefined;
  /** What it sends to link-local groups may be LLDP. */
  readonly lldp?: boolean | undefined;
  readonly chains: readonly string[];
  /**
   * Of each of its chains, what each of its rules counts for, as it was loaded: the policy may have changed since.
   * Numbers with blanks between them (counterCode), 0 for nothing. A record of an earlier version has none.
   */
  readonly counts?: readonly string[] | undefined;
  /** Of the text of its chains. A record of an earlier version has none. */
  readonly digest?: string | undefined;
  /** Its rules could not be followed, so what they are to decide about is dropped. */
  readonly closed?: boolean | undefined;
  /** Its own MACs; a record of an earlier version has none. */
  readonly macs?: readonly string[] | undefined;
}

/** How a frame comes to us: a table's built-in chain, and what it jumps to. */
export interface EbtHook {
  readonly table: 'filter' | 'nat';
  readonly builtin: string;
  readonly chain: string;
}

/**
 * nat PREROUTING is before the bridge learns a source address, nat POSTROUTING after everything that decides where a
 * frame goes. Frames to link-local groups skip both; those are seen by filter INPUT, and the bridge's own by OUTPUT
 * (net/bridge/br_input.c: br_handle_frame; measured). No device can have a slash in its name, so no vif's chain is
 * called like one of these.
 */
export const EBT_HOOKS = {
  localIn: { table: 'filter', builtin: 'INPUT', chain: 'xen-vif/in' },
  localOut: { table: 'filter', builtin: 'OUTPUT', chain: 'xen-vif/out' },
  in: { table: 'nat', builtin: 'PREROUTING', chain: 'xen-vif/in' },
  out: { table: 'nat', builtin: 'POSTROUTING', chain: 'xen-vif/out' },
} as const satisfies Record<string, EbtHook>;

/** The chains that hold a rule for every vif. */
export const PORT_CHAINS = { in: 'xen-vif/in-ports', out: 'xen-vif/out-ports' } as const;
/** What comes with the MAC of a vif of ours, and not from its port. */
export const MOVED_CHAIN = 'xen-vif/moved';

const LINK_LOCAL = `${LINK_LOCAL_MAC[1]}/${LINK_LOCAL_MAC[0]}`;

/** What one load of ebtables-restore makes of our part of the tables. */
export interface EbtLoad {
  /** All vifs that have chains when it is done. */
  readonly ports: readonly EbtPort[];
  /** Ports that are not filtered although others that nobody configured are closed. */
  readonly exempt: readonly string[];
  readonly policy: Pick<SharedPolicy<'ebtables'>, 'unmanaged'>;
  /** Ports that are nobody's guest: the uplinks. */
  readonly neighbours: readonly string[];
  /** Chains to make or to fill anew. */
  readonly chains: readonly EbtChain[];
  /** Chains that are in the kernel and are to go. */
  readonly stale: readonly string[];
  /**
   * How often each built-in chain jumps to ours now: that many jumps are taken out, and one is put in front of all
   * others. Taking out one that is not there fails the whole load, and so tells that somebody flushed the tables.
   */
  readonly jumps: (hook: EbtHook) => number;
  /** Ours that must not be declared: they are to go as well (the backend is left). */
  readonly leave?: boolean;
}

/**
 * The text for `ebtables-restore --noflush`. All of it is one exchange of each table.
 *
 * `:chain DROP` makes a chain, and ebtables-nft also empties it. Legacy does not, so `-F` follows (which would take
 * ebtables-nft half its time with thousands of chains: measured). The policy DROP
 * only matters if a chain should not decide, which each does but the checks; those give frames back.
 */
export function renderLoad(load: EbtLoad, variant: EbtTools['variant']): string {
  const declare = declarer(variant);
  const { localIn, localOut, in: fromGuest, out: toGuest } = EBT_HOOKS;
  if (load.leave === true) {
    return lines([
      '*filter',
      ...[localIn, localOut].flatMap((hook) => [...unhook(hook, load), ...removal([hook.chain])]),
      '*nat',
      ...[fromGuest, toGuest].flatMap((hook) => unhook(hook, load)),
      ...removal([fromGuest.chain, toGuest.chain, PORT_CHAINS.in, PORT_CHAINS.out, ...load.stale]),
    ]);
  }
  return lines([
    '*filter',
    '# Frames to 01:80:c2:00:00:0x (STP, LACP, EAPOL, LLDP) are only seen here.',
    ...declare([localIn.chain, localOut.chain], 'RETURN'),
    ...[localIn, localOut].flatMap((hook) => [...unhook(hook, load), enterHook(hook)]),
    ...linkLocalRules(localIn.chain, '-i', load),
    ...linkLocalRules(localOut.chain, '-o', load),
    '*nat',
    '# The way of a frame: hook, port, the chains of its vif.',
    ...declare([fromGuest.chain, toGuest.chain, MOVED_CHAIN], 'RETURN'),
    // Who is not ours goes on to what others have in these tables.
    ...declare([PORT_CHAINS.in, PORT_CHAINS.out], load.policy.unmanaged === 'open' ? 'RETURN' : 'DROP'),
    ...declareAll(load.chains, declare),
    ...[fromGuest, toGuest].flatMap((hook) => [...unhook(hook, load), enterHook(hook)]),
    ...hookRules(fromGuest.chain, PORT_CHAINS.in, '-i', load),
    ...hookRules(toGuest.chain, PORT_CHAINS.out, '-o', load),
    ...movedRules(fromGuest.chain, load),
    ...portRules('from-guest', '-i', load),
    ...portRules('to-guest', '-o', load),
    ...load.chains.flatMap(chainRules),
    ...removal(load.stale),
  ]);
}

/**
 * Some vifs' chains alone. Of many vifs they are loaded in portions: ebtables-nft takes 20 times as long for three
 * times as many.
 */
export function renderChains(chains: readonly EbtChain[], variant: EbtTools['variant']): string {
  return lines(['*nat', ...declareAll(chains, declarer(variant)), ...chains.flatMap(chainRules)]);
}

/** The rules of one chain, each drop with its reason above it. */
function chainRules(chain: EbtChain): string[] {
  return [
    `# ${chain.about}`,
    ...chain.rules.flatMap((rule, at) => {
      const said = rule.reason !== undefined && rule.reason !== chain.rules[at - 1]?.reason;
      const text = [`-A ${chain.name}`, ...optionText(rule.options), `-j ${rule.target}`].join(' ');
      return [...(said ? [`# ${rule.reason}${rule.why === undefined ? '' : `: ${rule.why}`}`] : []), text];
    }),
  ];
}

/** All frames of the bridge come by here: one rule for vifs, one for each port with another name. */
function hookRules(chain: string, ports: string, by: '-i' | '-o', load: EbtLoad): string[] {
  const renamed = [...load.ports.map((port) => port.name), ...load.exempt].filter((name) => !isGuestPort(name));
  return [
    `-A ${chain} ${by} ${GUEST_PORTS.ebtables} -j ${ports}`,
    ...renamed.map((name) => `-A ${chain} ${by} ${name} -j ${ports}`),
  ];
}

/**
 * A port that somebody has renamed is known by its name no more: what it sends with its own MAC is dropped here, and
 * other MACs by the bridge (`locked`, kernel 5.18). A guest that runs elsewhere by now has that MAC too: what comes by
 * an uplink is not looked at. Most MACs begin alike, so others' frames see one rule.
 */
function movedRules(chain: string, load: EbtLoad): string[] {
  const macs = [
    ...new Set(
      closedPorts(load.ports)
        .filter((port) => port.observed !== true)
        .flatMap((port) => port.macs ?? []),
    ),
  ];
  const makers = [...new Set(macs.map((mac) => mac.slice(0, MAKER.length)))];
  if (macs.length === 0) return [];
  return [
    ...load.neighbours.map((name) => `-A ${chain} -i ${name} -j RETURN`),
    ...makers.map((maker) => `-A ${chain} -s ${maker}:00:00:00/${MAKER}:00:00:00 -j ${MOVED_CHAIN}`),
    ...macs.map((mac) => `-A ${MOVED_CHAIN} -s ${mac} -j DROP`),
  ];
}

/** The part of a MAC that names who made the card. */
const MAKER = 'ff:ff:ff';

/** The rules by which a port's frames come to its chains. */
export function portJumps({ name, device }: EbtPort): { readonly chain: string; readonly text: string }[] {
  const from = isGuestPort(name) ? GUEST_PORTS.ebtables : name;
  return [
    { chain: EBT_HOOKS.in.chain, text: `-i ${from} -j ${PORT_CHAINS.in}` },
    { chain: EBT_HOOKS.out.chain, text: `-o ${from} -j ${PORT_CHAINS.out}` },
    { chain: PORT_CHAINS.in, text: `-i ${name} -j ${mainChain(device, 'from-guest')}` },
    { chain: PORT_CHAINS.out, text: `-o ${name} -j ${mainChain(device, 'to-guest')}` },
  ];
}

function portRules(direction: 'from-guest' | 'to-guest', by: '-i' | '-o', load: EbtLoad): string[] {
  const chain = direction === 'from-guest' ? PORT_CHAINS.in : PORT_CHAINS.out;
  return [
    ...load.exempt.map((name) => `-A ${chain} ${by} ${name} -j RETURN`),
    ...load.ports.map(({ name, device }) => `-A ${chain} ${by} ${name} -j ${mainChain(device, direction)}`),
    ...(load.policy.unmanaged === 'open' ? [] : ['# unmanaged', `-A ${chain} -j DROP`]),
  ];
}

/** A rule for each vif, so that its counter counts for it; the first rule sends everything else on its way. */
function linkLocalRules(chain: string, by: '-i' | '-o', load: EbtLoad): string[] {
  const open = [...load.exempt, ...load.ports.filter((port) => port.open).map((port) => port.name)];
  return [
    `-A ${chain} -d ! ${LINK_LOCAL} -j RETURN`,
    ...open.map((name) => `-A ${chain} ${by} ${name} -j RETURN`),
    ...(by === '-o'
      ? []
      : load.ports
          .filter(({ lldp }) => lldp === true)
          .flatMap(({ name, macs = [] }) =>
            macs.map((mac) => `-A ${chain} -i ${name} -p ${protocolName(ETHERTYPE.lldp)} -s ${mac} -j RETURN`),
          )),
    // Counted already where the bridge forwards it, which it does unless it speaks STP itself.
    ...(by === '-o'
      ? []
      : load.ports
          .filter(({ observed }) => observed === true)
          .map(({ name }) => `-A ${chain} -i ${name} -d ${STP_MAC} -j RETURN`)),
    ...closedPorts(load.ports).map((port) => `-A ${chain} ${linkLocalRule(by, port)}`),
    ...(load.policy.unmanaged === 'open' ? [] : [`-A ${chain} ${by} ${GUEST_PORTS.ebtables} -j DROP`]),
  ];
}

/** What becomes of frames to link-local groups at one port; they are counted in any case. */
export function linkLocalRule(by: '-i' | '-o', { name, observed }: Pick<EbtPort, 'name' | 'observed'>): string {
  return `${by} ${name} -j ${observed === true ? 'RETURN' : 'DROP'}`;
}

/** The vifs that have a counter of their own in the link-local chains, in the order of their rules. */
export function closedPorts(ports: readonly EbtPort[]): EbtPort[] {
  return ports.filter((port) => !port.open);
}

type Declare = (chains: readonly string[], policy: 'RETURN' | 'DROP' | 'ACCEPT') => string[];

function declarer(variant: EbtTools['variant']): Declare {
  return (chains, policy) => [
    ...chains.map((chain) => `:${chain} ${policy}`),
    ...(variant === 'legacy' ? chains.map((chain) => `-F ${chain}`) : []),
  ];
}

function declareAll(chains: readonly EbtChain[], declare: Declare): string[] {
  return (['DROP', 'ACCEPT', 'RETURN'] as const).flatMap((policy) =>
    declare(
      chains.filter((chain) => chain.policy === policy).map((chain) => chain.name),
      policy,
    ),
  );
}

function unhook(hook: EbtHook, load: EbtLoad): string[] {
  return Array.from({ length: load.jumps(hook) }, () => `-D ${hook.builtin} -j ${hook.chain}`);
}

function enterHook(hook: EbtHook): string {
  return `-I ${hook.builtin} 1 -j ${hook.chain}`;
}

function removal(chains: readonly string[]): string[] {
  return [...chains.map((chain) => `-F ${chain}`), ...chains.map((chain) => `-X ${chain}`)];
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
