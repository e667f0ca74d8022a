import { DEFAULT_POLICY_FILE } from '../policy/read-policy.ts';
import { DEFAULT_STATE_DIRECTORY } from '../state/state.ts';
import { allCommands, type CommandShape } from './command-shape.ts';
import { capital, paragraph, roff } from './roff.ts';

/** vif-bridge(8), in the man macros of roff, made of what `--help` is made of. */
export function commandManual(program: CommandShape): string {
  const leaves = allCommands(program).filter(({ commands }) => commands.length === 0);
  return [
    '.\\" Made of the commands of src/command-line.ts by npm run texts.',
    '.TH VIF\\-BRIDGE 8 "" "xen-vif-bridge" "System Administration"',
    '.SH NAME',
    "vif\\-bridge \\- hotplug script of Xen's guests that lets each use only its own addresses",
    '.SH SYNOPSIS',
    '.B vif\\-bridge',
    '.I command',
    '.RI [ argument ...]',
    '.SH DESCRIPTION',
    paragraph(program.description),
    '.PP',
    paragraph(
      'Xen runs online, offline, add and remove for each interface of a guest whose script= names the program, or of every ' +
        'guest if this line is in /etc/xen/xl.conf (the file may be a link to the program, as of the Debian package):',
    ),
    '.PP',
    '.nf',
    roff('    vif.default.script="vif-bridge-locked"'),
    '.fi',
    '.PP',
    paragraph('People may run all commands. A name=value is as Xen passes it, and may stand before the command.'),
    '.SH COMMANDS',
    ...leaves.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...item('.B 0', 'What was asked for is done, or so.'),
    ...item('.B 1', 'It is not: the message says what is wrong, where, and what to do about it.'),
    ...item('.B 2', 'Of a command that checks something: it could not be looked at.'),
    '.PP',
    paragraph('offline and remove always end with 0, because Xen could do nothing about it; the log has what failed.'),
    '.SH ENVIRONMENT',
    ...item('.B VIF_BRIDGE_CONFIG', 'The policy file, where --config names none.'),
    ...item('.B VIF_BRIDGE_STATE_DIR', `Where state is kept, in place of ${DEFAULT_STATE_DIRECTORY}.`),
    '.SH FILES',
    ...item(`.I ${roff(DEFAULT_POLICY_FILE)}`, 'The policy, with *.ini in vif-bridge.d beside it.'),
    ...item(`.I ${roff(DEFAULT_STATE_DIRECTORY)}`, 'What a run leaves for the next: records, locks, rules to include.'),
    ...item(
      `.I ${roff('/etc/xen/scripts/vif-post.d/*.hook')}`,
      'Scripts of the host that are sourced by bash after a hotplug command has done its work.',
    ),
    '.SH SEE ALSO',
    '.BR vif\\-bridge.ini (5),',
    '.BR xl.cfg (5),',
    '.BR xl.conf (5),',
    '.BR xl\\-network\\-configuration (5),',
    '.BR nft (8)',
    '',
  ].join('\n');
}

function commandLines({ words, description, arguments: operands, options }: CommandShape): string[] {
  const own = options.filter(({ names }) => !names.includes('--help'));
  return [
    '.SS',
    roff([...words, ...own.map(({ usage }) => `[${usage}]`), ...operands.map(({ usage }) => usage)].join(' ')),
    paragraph(`${capital(description)}.`),
    ...[
      ...operands.map((one) => [one.name, one.description] as const),
      ...own.map((one) => [one.usage, one.description] as const),
    ]
      .filter(([, text]) => text !== '')
      .flatMap(([name, text]) => item(`.B "${roff(name)}"`, text)),
  ];
}

function item(head: string, text: string): string[] {
  return ['.TP', head, paragraph(text)];
}
