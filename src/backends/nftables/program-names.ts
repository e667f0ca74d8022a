/**
 * The chains of a program. Guests whose rules do the same share it.
 *
 * @param digest of rules, which are one chain; or of a filter, with the number of its other chains: `0123456789ab.7`
 */
export function programChains(digest: string): [string, ...string[]] {
  const [, count = '0'] = digest.split('.');
  const main = programChain(digest);
  return [main, ...Array.from({ length: Number(count) }, (_, at) => `${main}/${at}`)];
}

/** The first of them. */
export function programChain(digest: string): string {
  return `rules/${digest}`;
}
