import { Chalk } from 'chalk';
import { printable } from '../../errors.ts';
import type { Verified } from '../verify.ts';
import type { Drift } from './drift.ts';

/** For people: a block for each vif that differs, `-` what is to be and is not, `+` what is there instead. */
export function verifiedText({ vifs, shared, foreign }: Verified, colours: boolean): string {
  const chalk = new Chalk({ level: colours ? 1 : 0 });
  const lines = (drift: readonly Drift[]): string[] =>
    drift.flatMap(({ part, what, wished, found, security }) => {
      const mark = security ? '' : '  (no risk)';
      const place = printable(`${part.padEnd(6)}${what.padEnd(18)}`);
      return [
        ...(wished === null ? [] : [chalk.red(`  - ${place}${printable(wished)}${found === null ? mark : ''}`)]),
        ...(found === null ? [] : [chalk.green(`  + ${place}${printable(found)}${mark}`)]),
      ];
    });
  const different = vifs.filter(({ drift, trouble }) => drift.length > 0 || trouble !== null);
  const blocks = [
    ...(shared.length === 0 ? [] : ['of all vifs', ...lines(shared)]),
    ...different.flatMap(({ device, name, drift, trouble }) => [
      chalk.bold(printable(name === device ? name : `${name} (${device})`)),
      ...(trouble === null ? [] : [chalk.yellow(`  cannot be compared: ${printable(trouble)}`)]),
      ...lines(drift),
    ]),
    ...foreign.flatMap(({ what, why, fix }) => [
      chalk.yellow(printable(`foreign: ${what}`)),
      printable(`  ${why}`),
      printable(`  ${fix}`),
    ]),
  ];
  const well = vifs.length - different.length;
  const repair = different.some(({ drift }) => drift.length > 0) || shared.length > 0;
  return `${[
    ...blocks,
    `${well} of ${vifs.length} ${vifs.length === 1 ? 'vif is' : 'vifs are'} as policy and xenstore say`,
    ...(repair
      ? [
          `put right with: vif-bridge repair${vifs.length === 1 && vifs[0] !== undefined ? ` ${printable(vifs[0].name)}` : ''}`,
        ]
      : []),
  ].join('\n')}\n`;
}

/** What programs read of it. */
export type PrintedVerified = Pick<Verified, 'vifs' | 'shared' | 'foreign'>;

export function verifiedJson({ vifs, shared, foreign }: Verified): PrintedVerified {
  return { vifs, shared, foreign };
}
