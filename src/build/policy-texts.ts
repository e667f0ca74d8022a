/**
 * What people read of the policy file, made of the table of its keys (src/policy/keys.ts), so that it says what the
 * program does: the table of docs/policy.md, the sample file and the manual page.
 *
 *   tsx src/build/policy-texts.ts      writes the last two; readme-tables.ts writes the first
 */
import { writeFileSync } from 'node:fs';
import { OPT_INS, optInForm } from '../filter/opt-ins.ts';
import { KEY_NAMES, KEYS, type KeyName, SECTION_KINDS, type SectionKind } from '../policy/keys.ts';
import { DEFAULT_POLICY_FILE } from '../policy/read-policy.ts';
import { FORMS } from '../policy/section-name.ts';
import type { ValueWord } from '../policy/value-kind.ts';
import { COLUMNS, capital, paragraph, roff, wrapped } from './roff.ts';

export const SAMPLE_FILE = new URL('../../xen-scripts/vif-bridge.ini', import.meta.url).pathname;
export const MANUAL_PAGE = new URL('../../docs/man/vif-bridge.ini.5', import.meta.url).pathname;

/** What each kind of section is for. */
const SECTIONS: Readonly<Record<SectionKind, string>> = {
  defaults: 'What holds for the host and for every vif.',
  bridge: 'What holds for the vifs of one bridge.',
  guest:
    'What holds for the vifs of one guest, by the name that xl list shows; with a star at its end, [guest web*], of all ' +
    'guests whose names begin so. A guest that was renamed is known by its new name from the next reapply on.',
  mac: 'What holds for the vif with this MAC address.',
  vif:
    'What holds for one vif, by its vifname= or the name of the kernel (which is another one after each start of the guest). ' +
    'The emulated interface of an HVM guest goes with it.',
};

/** A key as these texts need it. */
interface KeyText {
  readonly key: string;
  readonly help: string;
  readonly sections: readonly SectionKind[];
  /** As the file would say it. */
  readonly initial: string;
  /** The words of the default. */
  readonly defaults: readonly string[];
  readonly words: readonly ValueWord[];
  readonly several: boolean;
  readonly possible: string;
}

function keyText<K extends KeyName>(key: K): KeyText {
  const { help, sections, initial, kind } = KEYS[key];
  const text = kind.write(initial);
  return {
    key,
    help,
    sections,
    initial: text,
    defaults: text.split(' '),
    words: kind.words,
    several: kind.several,
    possible: kind.possible,
  };
}

const KEY_TEXTS = KEY_NAMES.map((key) => keyText(key));

/** The table of docs/policy.md, Markdown. */
export function policyTable(): string {
  const rows = KEY_TEXTS.map(({ key, help, initial, defaults, words, several, possible }) => {
    if (words.length === 0) return `\`${key}\` | **${initial}**; or ${possible} | ${help}`;
    const others = words.map(({ word }) => word).filter((word) => !defaults.includes(word));
    const values = several
      ? `**${initial}**; also possible: ${others.join(' ')}; or none`
      : [`**${initial}**`, ...others].join(', ');
    const meanings = several ? [] : words.map(({ word, meaning }) => `${word}: ${meaning}`);
    return `\`${key}\` | ${values} | ${[help, ...meanings].join('; ')}`;
  });
  return ['Key | Values (default first) | Meaning', '--- | --- | ---', ...rows].join('\n');
}

/** The words of `allow`, Markdown. */
export function optInTable(): string {
  const rows = OPT_INS.map((entry) => {
    const opens = entry.opens.map((reason) => `\`${reason}\``).join(' ');
    return `\`${optInForm(entry)}\` | ${entry.meaning} | ${opens}`;
  });
  return ['Word | What it may do | Dropped otherwise as', '--- | --- | ---', ...rows].join('\n');
}

/** The sample file: it says what holds without it, and what else it could say. */
export function sampleFile(): string {
  const keys = KEY_TEXTS.filter(({ sections }) => sections.includes('defaults'));
  const blocks = keys.map(({ key, help, initial, words, several }) => [
    ...wrapped(`${capital(help)}.${several ? ' Some of these words, or none:' : ''}`, '# '),
    ...words.flatMap((one) => describedWord(one, words)),
    // A key with a NAME in it is none before somebody puts a name there.
    `${key.includes('.') ? '# ' : ''}${key} = ${initial}`,
  ]);
  return [
    `# Policy of xen-vif-bridge. Copy it to ${DEFAULT_POLICY_FILE}; without it, this is what holds.`,
    '# A key with a value that is not possible is an error: the vif stays closed, and the log names the line.',
    '# Made of src/policy/keys.ts by src/build/policy-texts.ts.',
    '',
    '[defaults]',
    blocks.map((lines) => lines.join('\n')).join('\n\n'),
    '',
  ].join('\n');
}

/** `#   word   what it means`, the meanings in one column. */
function describedWord({ word, meaning }: ValueWord, all: readonly ValueWord[]): string[] {
  const width = Math.max(...all.map((one) => one.word.length));
  const [first = '', ...more] = wrapped(meaning, '', COLUMNS - width - 6);
  return [`#   ${word.padEnd(width)}  ${first}`, ...more.map((line) => `#   ${' '.repeat(width)}  ${line}`)];
}

/** vif-bridge.ini(5), in the man macros of roff: man-pages(7), groff_man(7). */
export function manualPage(): string {
  return [
    '.\\" Made of src/policy/keys.ts by src/build/policy-texts.ts.',
    '.TH VIF\\-BRIDGE.INI 5 "" "xen-vif-bridge" "File Formats"',
    '.SH NAME',
    'vif\\-bridge.ini \\- what guests may do on the bridges of a Xen host',
    '.SH SYNOPSIS',
    `.I ${roff(DEFAULT_POLICY_FILE)}`,
    '.SH DESCRIPTION',
    paragraph(
      'The policy that vif-bridge, the hotplug script, follows. Without the file the defaults hold. --config FILE or the ' +
        'environment variable VIF_BRIDGE_CONFIG name another file, which must then exist.',
    ),
    '.PP',
    paragraph(
      'A line is a section in brackets, key = value, a comment that starts with # or ;, or empty. Anything else, an ' +
        'unknown section or key, a section or key that is there twice, and a value that is not possible are errors: all of ' +
        'them are reported with their lines, new vifs stay closed until the file is corrected, and running ones as they ' +
        'are. vif-bridge policy check looks for them, vif-bridge policy show VIF tells what holds for a vif and why.',
    ),
    '.SH SECTIONS',
    paragraph(
      'Where several sections say something of one vif, the later of these kinds wins, key by key; of guests the whole ' +
        'name wins, then the longer beginning. Each may stand once in a file.',
    ),
    ...SECTION_KINDS.flatMap((kind) => ['.TP', `.B ${roff(FORMS[kind])}`, paragraph(SECTIONS[kind])]),
    '.SH KEYS',
    ...KEY_TEXTS.flatMap(keyLines),
    '.SH FILES',
    '.TP',
    `.I ${roff(DEFAULT_POLICY_FILE)}`,
    paragraph('The policy. After a change, vif-bridge reapply --all makes it hold for every vif.'),
    '.TP',
    `.I ${roff(DEFAULT_POLICY_FILE.replace(/ini$/, 'd/*.ini'))}`,
    paragraph(
      'More of it, in the order of names: of one key of one section the later file wins. Beside another file NAME.ini it is ' +
        'NAME.d.',
    ),
    '.SH SEE ALSO',
    '.BR xl.cfg (5),',
    '.BR xl\\-network\\-configuration (5),',
    '.BR nft (8),',
    '.BR ebtables (8)',
    '',
  ].join('\n');
}

function keyLines({ key, help, sections, initial, defaults, words, several, possible }: KeyText): string[] {
  const where = paragraph(`Default: ${initial}. May stand in ${sections.map((kind) => FORMS[kind]).join(', ')}.`);
  if (words.length === 0) {
    return [
      '.TP',
      `.BI "${roff(key)} = " value...`,
      paragraph(`${capital(help)}. Possible: ${possible}.`),
      '.IP',
      where,
    ];
  }
  return [
    '.TP',
    `.BI "${roff(key)} = " ${several ? 'word...' : 'word'}`,
    paragraph(`${capital(help)}. ${several ? 'Some of these words, separated by blanks or commas, or' : 'One of:'}`),
    ...(several ? ['.BR none :'] : []),
    '.RS',
    ...words.flatMap(({ word, meaning }) => [
      '.TP',
      `.BR ${roff(word)}${defaults.includes(word) ? ' " (default)"' : ''}`,
      paragraph(meaning),
    ]),
    '.RE',
    '.IP',
    where,
  ];
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].split('/').at(-1) ?? ' ')) {
  writeFileSync(SAMPLE_FILE, sampleFile());
  writeFileSync(MANUAL_PAGE, manualPage());
}
