/** The chain of a program. Guests whose rules do the same share it. */
export function programChain(digest: string): string {
  return `rules/${digest}`;
}
