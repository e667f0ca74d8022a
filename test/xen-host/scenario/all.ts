import type { Scenario } from '../scenario.ts';
import { attachUnderFlood } from './attach-under-flood.ts';
import { deathUnderFlood } from './death-under-flood.ts';
import { dhcp } from './dhcp.ts';
import { flushAndRepair } from './flush-and-repair.ts';
import { hvm } from './hvm.ts';
import { introduce } from './introduce.ts';
import { legacyEbtables } from './legacy-ebtables.ts';
import { lifeCycle } from './life-cycle.ts';
import { namesAndMtu } from './names-and-mtu.ts';
import { PRODUCT_BASIC } from './product-basic.ts';
import { refusals } from './refusals.ts';
import { routed } from './routed.ts';
import { rules } from './rules.ts';
import { saveRestore } from './save-restore.ts';
import { stockBaseline } from './stock-baseline.ts';
import { stockNeighbour } from './stock-neighbour.ts';
import { timing } from './timing.ts';
import { vlan } from './vlan.ts';

/** Every scenario, in the order in which they are played. */
export const ALL: readonly Scenario[] = [
  ...[stockBaseline, ...PRODUCT_BASIC, attachUnderFlood, deathUnderFlood, namesAndMtu, refusals, lifeCycle],
  ...[flushAndRepair, stockNeighbour, saveRestore, timing, dhcp, legacyEbtables, hvm, vlan, rules, introduce, routed],
];

/** The few that fit into a continuous integration run. */
export const SMOKE: readonly Scenario[] = [stockBaseline, ...PRODUCT_BASIC.slice(0, 1)];
