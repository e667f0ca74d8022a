import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { namespaceObstacle } from '../lab/namespace.ts';

/** The packet filters that every stress test runs with; the policy file of a test names one of them. */
export const BACKENDS = ['nftables', 'ebtables'] as const;
export type BackendName = (typeof BACKENDS)[number];

/** The program in one file, and the launcher that Xen runs. */
export const PROGRAM = fileURLToPath(new URL('../../dist/vif-bridge.cjs', import.meta.url));
export const LAUNCHER = fileURLToPath(new URL('../../xen-scripts/vif-bridge', import.meta.url));

/** Why nothing can be stressed here, for the `skip` of a test; false when it can. Printed once. */
export function obstacle(): string | false {
  const reason = namespaceObstacle() ?? (existsSync(PROGRAM) ? undefined : 'needs the program: npm run build');
  if (reason === undefined) return false;
  console.log(`skipped: ${reason}`);
  return reason;
}

/**
 * How often a test repeats itself.
 *
 * @param usual with nftables; the other backend shares all but the rules with it, and gets a quarter. STRESS_ROUNDS is
 *   a factor: 1 is the usual number, 10 ten times as many
 */
export function rounds(usual: number, backend: BackendName = 'nftables'): number {
  const factor = Number(process.env.STRESS_ROUNDS ?? '1');
  if (!(factor > 0)) throw new Error(`STRESS_ROUNDS=${process.env.STRESS_ROUNDS} is no positive number`);
  return Math.max(1, Math.round(usual * factor * (backend === 'nftables' ? 1 : 0.25)));
}
