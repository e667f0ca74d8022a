import { oneLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { withAddresses } from '../policy/address-change.ts';
import { isHostKey, KEY_NAMES, KEYS, type KeyName, type SectionKind, type Values } from '../policy/keys.ts';
import { combine, hintOf } from '../policy/parse-policy.ts';
import type { Places } from '../policy/policy.ts';
import type { Problem } from '../policy/problem.ts';
import { byPlace, type PolicyFiles, readPolicyFiles } from '../policy/read-policy.ts';
import { resolved } from '../policy/resolve-policy.ts';
import { FORMS } from '../policy/section-name.ts';
import { bridgeIfAny } from '../port/bridge.ts';
import { identityNamed } from './reapply.ts';

/** What a command of the policy prints, and the exit status it ends with. */
export interface Answer {
  readonly text: string;
  readonly json: unknown;
  readonly status: 0 | 1;
}

/** Of files as they are. */
export interface CheckedPolicy {
  readonly files: readonly string[];
  readonly problems: readonly (Omit<Problem, 'meant'> & { readonly meant: string | null })[];
}

/** What holds for one vif. */
export interface ShownPolicy {
  readonly device: string;
  readonly guest: string | null;
  readonly bridge: string | null;
  readonly mac: string;
  /** By key; `from` names the line that says it. */
  readonly values: Readonly<Record<string, { readonly value: string; readonly from: string }>>;
}

/**
 * Whether the files of a policy can be followed, and the filters that it names: all that is wrong with all of them at
 * once.
 *
 * @throws Failure `input` for a file that cannot be read
 */
export async function checkPolicy(named: string | undefined): Promise<Answer> {
  const read = readPolicyFiles(named);
  const { files } = read;
  const problems = byPlace(files, [...read.problems, ...(await filterProblems(read))]);
  const json: CheckedPolicy = {
    files,
    problems: problems.map((one) => ({ ...one, hint: hintOf(one), meant: one.meant ?? null })),
  };
  return {
    text: problems.length === 0 ? whatIsRight(files) : problems.map(problemText).join(''),
    json,
    status: problems.length === 0 ? 0 : 1,
  };
}

/** Nobody else loads a parser of XML. */
async function filterProblems({ texts }: PolicyFiles): Promise<Problem[]> {
  const filters = texts.flatMap((text) => text.filters);
  if (filters.length === 0) return [];
  const { namedFilterProblems } = await import('../policy/named-filters.ts');
  return namedFilterProblems(filters, combine(texts).nwfilter_dir);
}

function whatIsRight(files: PolicyFiles['files']): string {
  return files.length === 0 ? 'no policy file: the defaults hold\n' : `nothing wrong in ${files.join(' ')}\n`;
}

function problemText(problem: Problem): string {
  return `${problem.file}:${problem.line}: ${problem.message}\n    hint: ${hintOf(problem)}\n`;
}

/**
 * What holds for one vif, and which line says so.
 *
 * @param name its device, or the name it was given
 * @throws Failure `missing` if neither Xen nor the state knows it
 */
export async function showPolicy(host: Host, name: string): Promise<Answer> {
  const { event, who } = await identityNamed(host, name);
  const { vif } = who;
  const bridge = bridgeIfAny(vif.bridge, host.readDevice, host.deviceNames)?.name ?? vif.bridge;
  const own = resolved(host.policy, { ...vif, bridge });
  const { addresses } = withAddresses(vif, own.values);
  const all: Values = { ...host.policy, ...own.values };
  const places: Places = { ...host.policy.places, ...own.places };
  const from = event.xenbus?.path ?? 'what was given by hand';
  const rows = [
    ...KEY_NAMES.filter((key) => key !== 'ip').map((key) => ({
      key,
      value: written(key, all),
      from: places[key] ?? 'default',
    })),
    {
      key: 'ip',
      value: [...addresses.ipv4, ...addresses.ipv6].map(({ text }) => text).join(' '),
      from: [...(own.values.ip.instead ? [] : [from]), ...(places.ip === undefined ? [] : [places.ip])].join(' '),
    },
  ];
  const json: ShownPolicy = {
    device: vif.device,
    guest: vif.guest ?? null,
    bridge: bridge ?? null,
    mac: vif.mac,
    values: Object.fromEntries(rows.map(({ key, value, from: place }) => [key, { value, from: place }])),
  };
  const head = [
    vif.device,
    ...(vif.guest === undefined ? [] : [`of ${oneLine(vif.guest)}`]),
    `on ${bridge}`,
    vif.mac,
  ].join(' ');
  return {
    text: `${head}\n${table(rows.map(({ key, value, from: place }) => [key, value === '' ? '(none)' : value, place]))}`,
    json,
    status: 0,
  };
}

function written<K extends KeyName>(key: K, values: Pick<Values, K>): string {
  return KEYS[key].kind.write(values[key]);
}

/** Every key: where it may stand, what it is without a file, what it may be. */
export function policyKeys(): Answer {
  const keys = KEY_NAMES.map((key) => keyText(key));
  const blocks = keys.map(({ key, help, initial, sections, words }) => {
    const list = table(words.map(({ word, meaning }) => ['', word, meaning]));
    return `${key} = ${initial}\n    ${help}; in ${sections.map((kind) => FORMS[kind]).join(' ')}\n${list}`;
  });
  return { text: blocks.join('\n'), json: keys, status: 0 };
}

/** A key for people and programs. */
export interface KeyText {
  readonly key: string;
  readonly of: 'host' | 'vif';
  readonly help: string;
  readonly initial: string;
  readonly sections: readonly SectionKind[];
  readonly words: readonly { readonly word: string; readonly meaning: string }[];
}

function keyText<K extends KeyName>(key: K): KeyText {
  const { help, initial, sections, kind } = KEYS[key];
  return { key, of: isHostKey(key) ? 'host' : 'vif', help, initial: kind.write(initial), sections, words: kind.words };
}

/** Columns of text, as wide as they must be. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>(
    (all, row) => row.map((cell, column) => Math.max(all[column] ?? 0, cell.length)),
    [],
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}
