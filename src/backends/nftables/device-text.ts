import type { FilterPort } from '../backend.ts';
import { INGRESS_TABLE, isOurs, TABLE } from './base-text.ts';
import { BEHIND, type Behind, OBSERVED_BEHIND } from './behind.ts';
import { addNear, declareNear, NEAR_RULES } from './claims.ts';
import { UNMARK } from './counted-frames.ts';
import { stageChain } from './stages.ts';

/**
 * What ports have that are on no bridge: two chains at the device itself, which lead to the stages that all have, and
 * behind these two more for its guest's own rules, and for its filter, if it has them. They are written as if they were
 * in the bridge's tables: see device-tables.ts.
 */

/** What their names begin with, for a regular expression; the name that the device had first follows. */
export const DEVICE_CHAINS = '(?:in|out)/';

const SIDES = [
  { chain: 'in', hook: 'ingress', direction: 'from-guest' },
  { chain: 'out', hook: 'egress', direction: 'to-guest' },
] as const;

interface DeviceChain {
  /** Its name, without that of the device. */
  readonly chain: string;
  readonly hook: 'ingress' | 'egress';
  readonly priority: number;
  readonly rules: readonly string[];
}

/** @param behind what else its guest is asked */
function chainsOf(behind: readonly Behind[]): DeviceChain[] {
  const observed = behind.includes(OBSERVED_BEHIND);
  return SIDES.flatMap(({ chain, hook, direction }) => [
    {
      chain,
      hook,
      priority: -200,
      // The last one: somebody has given it another group.
      rules: [`${isOurs(direction)} goto ${stageChain(direction, 'quick')}`, 'drop'],
    },
    ...behind.map(({ name, priority, rules }) => ({
      chain: `${chain}/${name}`,
      hook,
      priority,
      rules: rules(direction, observed),
    })),
  ]);
}

/** By the name that the device has now: of two types for nft, and the same for the kernel. */
const PORTS = ['ports', 'guests'].map((set) => `${INGRESS_TABLE} ${set}`);

/** A port that is on no bridge, and what is routed to it. */
export type DevicePort = Pick<FilterPort, 'device' | 'name' | 'routed'>;

/**
 * The chains of a device, whatever was there: a chain stays with the device that it was made for, by its name (kernel
 * 6.16) or by itself (before), so it is made anew. What is there already judges until the new one does.
 *
 * They accept what they do not know: that is nothing, as each stage decides, and a port without its group is none.
 */
export function renderDeviceChains({ device, name, routed = [] }: DevicePort, behind: readonly Behind[]): string[] {
  return [
    ...chainRemoval(device),
    ...chainsOf(behind).flatMap(({ chain, hook, priority, rules }) => [
      `add chain ${TABLE} ${chain}/${device} { type filter hook ${hook} device "${name}" priority ${priority}; policy accept; }`,
      ...rules.map((rule) => `add rule ${TABLE} ${chain}/${device} ${rule}`),
    ]),
    ...PORTS.map((set) => `add element ${set} { "${name}" }`),
    ...addNear(routed),
  ];
}

/** Works without the device, and where nothing is there: before 6.16 a chain goes with its device. */
export function renderDeviceRemoval(device: string, name: string): string[] {
  // Somebody may have renamed it meanwhile.
  const names = [...new Set([name, device])];
  const elements = PORTS.flatMap((set) =>
    names.flatMap((one) => ['add', 'delete'].map((verb) => `${verb} element ${set} { "${one}" }`)),
  );
  return [...chainRemoval(device), ...elements];
}

function chainRemoval(device: string): string[] {
  return chainsOf(BEHIND).flatMap(({ chain }) => [
    `add chain ${TABLE} ${chain}/${device}`,
    `flush chain ${TABLE} ${chain}/${device}`,
    `delete chain ${TABLE} ${chain}/${device}`,
  ]);
}

/** So many devices it can name; a set with a size is quicker (own.ts). */
const DEVICES = 65_536;

/**
 * Who has an address of a routed vif as its source and comes from elsewhere is not that vif: the routes say whose it
 * is, and are asked where that may be (claims.ts). A port of ours has been asked at its device already; unless somebody
 * has given it another name: since 6.16 a chain stays with the name, and the device is without one. So a name that no
 * run has loaded is not let in.
 *
 * @param follows a chain goes with its device, whatever that is called (before 6.16)
 */
export function renderClaimed(follows = false): string[] {
  const chain = (name: string, rules: readonly string[]): string[] => [
    `  chain ${name} {`,
    ...rules.map((rule) => `    ${rule}`),
    '  }',
  ];
  const claimed = 'goto claimed';
  return [
    `add table ${INGRESS_TABLE}`,
    `delete table ${INGRESS_TABLE}`,
    `table ${INGRESS_TABLE} {`,
    `  set ports { typeof fib saddr oifname; size ${DEVICES}; }`,
    `  set guests { type ifname; size ${DEVICES}; }`,
    ...declareNear().map((line) => `  ${line}`),
    ...chain('guests', ['iifname @guests accept', 'counter drop comment "a routed vif that somebody has renamed"']),
    ...chain('claimed', [
      'ip6 saddr fe80::/10 accept',
      'fib saddr oifname @ports counter drop comment "an address of a routed guest, from elsewhere"',
    ]),
    ...chain('near6', NEAR_RULES.near6(claimed)),
    ...chain('prerouting', [
      'type filter hook prerouting priority raw; policy accept;',
      `${isOurs('from-guest')} ${follows ? 'accept' : 'goto guests'}`,
      ...NEAR_RULES.asks(claimed),
    ]),
    '}',
  ];
}

/**
 * @param shapes what the rules of each chain of the table do: counters.ts, ruleShapes
 * @param behind what else its guest is asked
 */
export function hasDeviceChains(
  shapes: ReadonlyMap<string, readonly string[]>,
  device: string,
  behind: readonly Behind[],
): boolean {
  return chainsOf(behind).every(
    ({ chain, rules }) => shapes.get(`${chain}/${device}`)?.join() === rules.map(shapeOf).join(),
  );
}

/** The same of a rule as it is loaded. */
function shapeOf(rule: string): string {
  if (rule === UNMARK) return '2 mangle';
  const [, asks = '', does = ''] = /^(.*?)(goto \S+|vmap|accept|drop)(?: @\S+| comment "[^"]*")?$/.exec(rule) ?? [];
  return `${asks.trim() === '' || does === 'vmap' ? 1 : 2} ${does}`;
}
