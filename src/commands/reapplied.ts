import type { Failures } from '../effects/together.ts';
import { Failure, failureLine } from '../errors.ts';

/** What became of vifs that were to be re-applied, each by its first name. */
export interface Reapplied {
  readonly done: string[];
  /** Those of them that xenstore does not have: they are what the saved state says. */
  readonly fromState: string[];
  /** Another run is at work on them, or has been since: they are what that one makes of them. */
  readonly left: string[];
  /** They have gone meanwhile. */
  readonly gone: string[];
  readonly failures: Failures;
}

export function noneReapplied(): Reapplied {
  return { done: [], fromState: [], left: [], gone: [], failures: new Map() };
}

/** For a person. */
export function reappliedText({ done, fromState, left, gone }: Reapplied): string {
  const lines: readonly (readonly [string, readonly string[]])[] = [
    ['re-applied', done],
    ['left to the run that is at work on it', left],
    ['gone meanwhile', gone],
  ];
  const named = lines.flatMap(([what, vifs]) => (vifs.length === 0 ? [] : [`${what}: ${vifs.join(' ')}\n`]));
  const said = named.length === 0 ? ['re-applied: nothing to do\n'] : named;
  return [...said, ...(fromState.length === 0 ? [] : [`${sourceNote(fromState)}\n`])].join('');
}

/** Whence it was taken, where that is not xenstore. */
export function sourceNote(vifs: readonly string[]): string {
  return `not in xenstore, so from the saved state: ${vifs.join(' ')}`;
}

/** @throws Failure `tool` that says of each vif why, if there is one that failed */
export function throwFailures({ failures, done, left, gone }: Reapplied): void {
  const [first, ...others] = failures;
  if (first === undefined) return;
  if (others.length + done.length + left.length + gone.length === 0) throw first[1];
  const reasons = [...failures].map(([device, failure]) => `\n  ${device}: ${failureLine(failure)}`);
  throw new Failure('tool', `${failures.size} vifs could not be re-applied:${reasons.join('')}`, {
    hint: 'what was loaded for them is unchanged',
  });
}
