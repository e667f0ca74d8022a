import { Chalk } from 'chalk';
import { printable } from '../../errors.ts';
import type { ClassScore } from './score.ts';

/** What a self-test has found. */
export interface SelfTestReport {
  readonly kernel: string;
  /** `nft`'s own words for itself; empty where there is none. */
  readonly tools: string;
  readonly backend: string;
  readonly bridge: string;
  readonly classes: readonly ClassScore[];
}

/** 0 if all is as it must be. */
export function reportStatus({ classes }: SelfTestReport): 0 | 1 {
  return classes.every(({ wrong }) => wrong.length === 0) ? 0 : 1;
}

/** The score for people. */
export function reportText(report: SelfTestReport, colours: boolean): string {
  const chalk = new Chalk({ level: colours ? 1 : 0 });
  const { classes } = report;
  const width = Math.max(...classes.map(({ kind }) => kind.length));
  const [right, frames] = classes.reduce(([a, b], one) => [a + one.right, b + one.frames], [0, 0]);
  return [
    `${report.backend} on Linux ${printable(report.kernel)}${report.tools === '' ? '' : `, ${printable(report.tools)}`}, a private bridge like ${printable(report.bridge)}`,
    '',
    ...classes.flatMap((one) => [
      `${one.wrong.length === 0 ? chalk.green('  ok') : chalk.red('FAIL')}  ${one.kind.padEnd(width)}  ${String(one.right).padStart(3)} of ${String(one.frames).padStart(3)}`,
      ...one.wrong.map(({ id, name, direction, expect, who }) =>
        chalk.red(
          `        ${id} ${name} (${direction}): ${expect === 'drop' ? `heard by ${who.join(' ')}` : `not heard by ${who.join(' ')}`}`,
        ),
      ),
    ]),
    '',
    right === frames
      ? `all ${frames} frames as they must be`
      : `${frames - right} of ${frames} frames are not as they must be; A is the guest, V another one, G the gateway, H dom0. What the policy opens (mode, allow) or closes (rules) for all guests counts too: vif-bridge policy show`,
    '',
  ].join('\n');
}
