import type { Argument, Command, Option } from 'commander';
import { commandTree } from '../command-line.ts';

/** A command as manual page and completions need it: plain data, read from what `--help` is made of. */
export interface CommandShape {
  /** Its words after `vif-bridge`; none for the program itself. */
  readonly words: readonly string[];
  readonly description: string;
  readonly arguments: readonly ArgumentShape[];
  readonly options: readonly OptionShape[];
  readonly commands: readonly CommandShape[];
}

export interface ArgumentShape {
  readonly name: string;
  /** As the usage has it: `[vif...]`, `<file>`. */
  readonly usage: string;
  readonly description: string;
  readonly value: ValueShape;
}

export interface OptionShape {
  /** `--json`, or `-h` and `--help`. */
  readonly names: readonly string[];
  /** `--config <file>` */
  readonly usage: string;
  readonly description: string;
  /** What follows it; undefined for a switch. */
  readonly value: ValueShape | undefined;
}

/** What may stand in a place: some words, or things of this host. */
export interface ValueShape {
  readonly words: readonly string[];
  readonly things: 'files' | 'vifs' | 'bridges' | undefined;
}

/** What the program calls its arguments, and what a shell can offer for them. Others are left to the person. */
const VALUES: Readonly<Record<string, ValueShape>> = {
  vif: { words: [], things: 'vifs' },
  vifs: { words: [], things: 'vifs' },
  file: { words: [], things: 'files' },
  folder: { words: [], things: 'files' },
  bridge: { words: [], things: 'bridges' },
  'name=value': { words: ['vif=', 'bridge=', 'ip=', 'mac=', 'vifname=', 'type_if='], things: undefined },
  words: { words: ['in', 'out'], things: 'vifs' },
};
const NOTHING: ValueShape = { words: [], things: undefined };

/** The program, with all its commands. */
export function programShape(): CommandShape {
  return shapeOf(
    commandTree({}, '', () => undefined),
    [],
  );
}

/** It and all below it, in the order of `--help`. */
export function allCommands(shape: CommandShape): CommandShape[] {
  return [shape, ...shape.commands.flatMap(allCommands)];
}

function shapeOf(command: Command, words: readonly string[]): CommandShape {
  const help = command.createHelp();
  return {
    words,
    description: command.description(),
    arguments: help.visibleArguments(command).map(argumentShape),
    options: help.visibleOptions(command).map(optionShape),
    // commander's own `help COMMAND` is only there for the program itself.
    commands: help
      .visibleCommands(command)
      .filter((one) => one.name() !== 'help')
      .map((one) => shapeOf(one, [...words, one.name()])),
  };
}

function argumentShape(argument: Argument): ArgumentShape {
  const name = argument.name();
  const inside = `${name}${argument.variadic ? '...' : ''}`;
  return {
    name,
    usage: argument.required ? `<${inside}>` : `[${inside}]`,
    description: argument.description,
    value: valueShape(name, argument.argChoices),
  };
}

function optionShape(option: Option): OptionShape {
  const [, name] = /[<[]([^\]>.]+)/.exec(option.flags) ?? [];
  return {
    names: [option.short, option.long].filter((one) => one !== undefined),
    usage: option.flags,
    description: option.description,
    value: name === undefined ? undefined : valueShape(name, option.argChoices),
  };
}

function valueShape(name: string, choices: readonly string[] | undefined): ValueShape {
  return choices === undefined ? (VALUES[name] ?? NOTHING) : { words: choices, things: undefined };
}
