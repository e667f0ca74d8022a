/**
 * What is made of the commands of the program (src/command-line.ts), so that it says what the program does: the manual
 * page vif-bridge(8) and the completions of three shells.
 *
 *   npm run texts      writes them, and all other texts that are made of data
 */
import { bashCompletion } from './bash-completion.ts';
import { commandManual } from './command-manual.ts';
import { type CommandShape, programShape } from './command-shape.ts';
import { fishCompletion } from './fish-completion.ts';
import { zshCompletion } from './zsh-completion.ts';

/** Which file holds which, by its path in the project. */
export const COMMAND_TEXTS: Readonly<Record<string, (program: CommandShape) => string>> = {
  'docs/man/vif-bridge.8': commandManual,
  'xen-scripts/completions/vif-bridge.bash': bashCompletion,
  'xen-scripts/completions/_vif-bridge': zshCompletion,
  'xen-scripts/completions/vif-bridge.fish': fishCompletion,
};

/** The text of one of them. */
export function commandText(make: (program: CommandShape) => string): string {
  return make(programShape());
}
