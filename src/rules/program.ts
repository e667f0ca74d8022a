import { textDigest } from '../text-digest.ts';
import { isLast, RULE_DIRECTIONS, type Rule, type RuleDirection } from './rule.ts';
import { ruleText } from './rule-text.ts';

/**
 * The rules of a guest, both directions, in their order: the first that matches decides. A direction without rules is
 * not asked; else its last rule has no condition, so it always decides.
 */
export interface RuleProgram {
  /** The lists it was made of, by name. */
  readonly lists: readonly string[];
  readonly in: readonly Rule[];
  readonly out: readonly Rule[];
}

/** One `[rules NAME]` section. */
export interface RuleList {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/** What is wrong with the lists of a guest together; each for itself may be right. */
export interface WrongProgram {
  /** The rule that can never be reached, or nothing. */
  readonly at: Rule | undefined;
  readonly message: string;
  readonly hint: string;
}

/** Joins lists in their order. */
export function joinLists(lists: readonly RuleList[]): RuleProgram {
  const all = lists.flatMap(({ rules }) => rules);
  return { lists: lists.map(({ name }) => name), in: ofDirection(all, 'in'), out: ofDirection(all, 'out') };
}

/**
 * Each direction that has a line must end in one without conditions, which nothing may follow.
 *
 * @param openEnds directions whose last line may be one that could not be read
 */
export function wrongProgram(program: RuleProgram, openEnds: readonly RuleDirection[] = []): WrongProgram[] {
  return RULE_DIRECTIONS.flatMap((direction): WrongProgram[] => {
    const rules = program[direction];
    const end = rules.findIndex(isLast);
    const last = rules.at(-1);
    if (last === undefined) return [];
    if (end < 0) {
      if (openEnds.includes(direction)) return [];
      return [
        {
          at: last,
          message: `nothing says what becomes of the rest: no line of ${direction} is without conditions`,
          hint: `end it with ${direction} drop, or ${direction} allow`,
        },
      ];
    }
    return rules.slice(end + 1).map((after) => ({
      at: after,
      message: `this line is never reached: the one in line ${rules[end]?.at.line} takes all`,
      hint: 'put it in front of that line',
    }));
  });
}

/** What a program does, without where it is written: guests whose programs have one text share one. */
export function programText(program: RuleProgram): string {
  return [...program.in, ...program.out].map(ruleText).join('\n');
}

/** A short name for what a program does, and how many chains it has besides those of its directions. */
export function programDigest(program: RuleProgram): string {
  return `${textDigest(programText(program))}${program.out.some(({ verdict }) => verdict === 'reject') ? '.1' : ''}`;
}

function ofDirection(rules: readonly Rule[], direction: RuleDirection): Rule[] {
  return rules.filter((rule) => rule.direction === direction);
}
