import { readFileSync } from 'node:fs';

const PAGE = new URL('../../docs/policy.md', import.meta.url);

/** A recipe of docs/policy.md. */
export interface Recipe {
  /** The heading above it. */
  readonly title: string;
  /** The policy file that it shows. */
  readonly policy: string;
}

/** All recipes of the page, in its order; a heading may have several. */
export function recipes(): Recipe[] {
  let title = '';
  const found: Recipe[] = [];
  for (const [, heading, policy] of readFileSync(PAGE, 'utf8').matchAll(/^#+ (.*)$|^```ini\n([\s\S]*?)^```$/gm)) {
    if (heading !== undefined) title = heading;
    if (policy !== undefined) found.push({ title, policy });
  }
  return found;
}

/**
 * The policy below a heading of the page: what a test plays is what the page says.
 *
 * @throws Error when the page has no such heading, or no example below it
 */
export function recipe(title: string): string {
  const found = recipes().filter((one) => one.title === title);
  if (found.length === 0) throw new Error(`docs/policy.md has no example below the heading "${title}"`);
  return found.map(({ policy }) => policy).join('\n');
}
