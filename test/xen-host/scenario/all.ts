import type { Scenario } from '../scenario.ts';
import { productBasic } from './product-basic.ts';
import { stockBaseline } from './stock-baseline.ts';

/** Every scenario, in the order in which they are played. */
export const ALL: readonly Scenario[] = [stockBaseline, productBasic];

/** The few that fit into a continuous integration run. */
export const SMOKE: readonly Scenario[] = [stockBaseline, productBasic];
