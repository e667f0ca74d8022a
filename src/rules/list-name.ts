import { shown } from '../errors.ts';
import { isReserved } from './parse-rule.ts';

/** How lists are called: `[rules web]`, `[addresses admins]`. */
const FORM = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$/;

/** What is wrong with a name; undefined if nothing is. */
export function wrongListName(name: string): string | undefined {
  if (!FORM.test(name)) return `${shown(name)} is no name: up to 40 letters, digits, and . _ -`;
  if (isReserved(name)) return `${name} is a word of the rules, and so no name`;
  return undefined;
}
