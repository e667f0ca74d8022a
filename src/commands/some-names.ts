/** So many are named. */
const MOST = 5;

/** The first of some names, and how many more there are. */
export function someNames(names: readonly string[], separator: string): string {
  const more = names.length - MOST;
  return names.slice(0, MOST).join(separator) + (more > 0 ? ` and ${more} more` : '');
}
