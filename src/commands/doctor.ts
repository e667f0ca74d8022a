import { Chalk } from 'chalk';
import { hostFiles } from '../effects/look-file.ts';
import { asFailure, failureLine, printable } from '../errors.ts';
import type { Host } from '../host.ts';
import { lookOnce } from '../state/look-once.ts';
import { bridges } from './doctor/bridges.ts';
import { destinationNat } from './doctor/destination-nat.ts';
import { doubles } from './doctor/doubles.ts';
import { type Finding, type Group, type Look, SEVERITIES, type Severity } from './doctor/finding.ts';
import { guestConfigs } from './doctor/guest-configs.ts';
import { kernel } from './doctor/kernel.ts';
import { lookAt } from './doctor/look.ts';
import { networkManagers } from './doctor/network-managers.ts';
import { otherFilters } from './doctor/other-filters.ts';
import { thePolicy } from './doctor/policy.ts';
import { portsOfGuests } from './doctor/ports.ts';
import { programs } from './doctor/programs.ts';
import { thisHost } from './doctor/this-host.ts';
import { xlConf } from './doctor/xl-conf.ts';

/** All that is looked at, in the order in which it is printed. */
export const GROUPS: readonly Group[] = [
  thisHost,
  programs,
  kernel,
  bridges,
  otherFilters,
  destinationNat,
  networkManagers,
  thePolicy,
  portsOfGuests,
  xlConf,
  guestConfigs,
  doubles,
];

/** What the doctor says of a host. */
export interface Diagnosis {
  /** The worst first. */
  readonly findings: readonly Finding[];
  /** What could not be looked at, and why. */
  readonly unknown: readonly { readonly group: string; readonly why: string }[];
}

/** Looks at this host, and changes nothing. What cannot be looked at keeps nothing else from it. */
export function doctor(host: Host, looking: (group: string) => void = () => {}): Promise<Diagnosis> {
  return diagnose(lookAt(lookOnce(host), hostFiles), looking);
}

/** @param looking is told what is looked at next */
export async function diagnose(look: Look, looking: (group: string) => void = () => {}): Promise<Diagnosis> {
  const findings: Finding[] = [];
  const unknown: { group: string; why: string }[] = [];
  for (const group of GROUPS) {
    looking(group.name);
    try {
      findings.push(...(await group.look(look)));
    } catch (error) {
      unknown.push({ group: group.name, why: failureLine(asFailure(error)) });
    }
  }
  const rank = ({ severity }: Finding): number => SEVERITIES.indexOf(severity);
  return { findings: findings.sort((a, b) => rank(a) - rank(b)), unknown };
}

/** 0 if all is well but for notes, 1 if something is not, 2 if something is not known. */
export function diagnosisStatus({ findings, unknown }: Diagnosis): 0 | 1 | 2 {
  if (unknown.length > 0) return 2;
  return findings.some(({ severity }) => severity !== 'note') ? 1 : 0;
}

/** For people: what, why, what to do. */
export function diagnosisText({ findings, unknown }: Diagnosis, colours: boolean): string {
  const chalk = new Chalk({ level: colours ? 1 : 0 });
  const colour: Readonly<Record<Severity, (text: string) => string>> = {
    error: chalk.red,
    warning: chalk.yellow,
    note: chalk.cyan,
  };
  const told = findings.flatMap(({ severity, what, why, fix }) => [
    `${colour[severity](severity)}: ${printable(what)}`,
    `  why: ${printable(why)}`,
    `  fix: ${printable(fix)}`,
    '',
  ]);
  const unseen = unknown.flatMap(({ group, why }) => [
    `${chalk.red('not known')}: ${printable(group)} could not be looked at`,
    `  why: ${printable(why)}`,
    '',
  ]);
  return [...told, ...unseen, `${summary(findings, unknown.length)}\n`].join('\n');
}

function summary(findings: readonly Finding[], unknown: number): string {
  const counts = [
    ...SEVERITIES.map((severity) => [findings.filter((one) => one.severity === severity).length, severity] as const),
    [unknown, 'not known'] as const,
  ].filter(([count]) => count > 0);
  if (counts.length === 0) return `nothing found in ${GROUPS.length} places`;
  return counts.map(([count, what]) => `${count} ${what}${count === 1 || what === 'not known' ? '' : 's'}`).join(', ');
}
