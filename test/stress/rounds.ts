import { namespaceObstacle } from '../lab/namespace.ts';
import { formObstacle, launcher, program } from '../lab/program.ts';

/** The packet filters that every stress test runs with; the policy file of a test names one of them. */
export const BACKENDS = ['nftables', 'ebtables'] as const;
export type BackendName = (typeof BACKENDS)[number];
/** How a guest is connected, and who filters it: to a bridge, or by routes of this host. */
export type Form = BackendName | 'route';
export const FORMS: readonly Form[] = [...BACKENDS, 'route'];

/** The program, and the launcher that Xen runs, in the form that is tested ($VIF_BRIDGE_FORM). */
export const PROGRAM = program();
export const LAUNCHER = formObstacle() === undefined ? launcher() : '';

/** Why nothing can be stressed here, for the `skip` of a test; false when it can. Printed once. */
export function obstacle(): string | false {
  const reason = namespaceObstacle() ?? formObstacle();
  if (reason === undefined) return false;
  console.log(`skipped: ${reason}`);
  return reason;
}

/**
 * How often a test repeats itself.
 *
 * @param usual with nftables on a bridge; the others share most with it, and get a quarter. STRESS_ROUNDS is
 *   a factor: 1 is the usual number, 10 ten times as many (test/run.ts sets it where nobody did)
 */
export function rounds(usual: number, form: Form = 'nftables'): number {
  const factor = Number(process.env.STRESS_ROUNDS ?? '1');
  if (!(factor > 0)) throw new Error(`STRESS_ROUNDS=${process.env.STRESS_ROUNDS} is no positive number`);
  return Math.max(1, Math.round(usual * factor * (form === 'nftables' ? 1 : 0.25)));
}
