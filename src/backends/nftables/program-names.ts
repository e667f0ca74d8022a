import type { RuleDirection } from '../../rules/rule.ts';

/**
 * The chains of a program. Guests whose rules do the same share it.
 *
 * @param digest of what it does; behind a point the number of its other chains: `0123456789ab.7`
 */
export function programChains(digest: string): [into: string, out: string, ...others: string[]] {
  const [, count = '0'] = digest.split('.');
  return [
    programChain(digest, 'in'),
    programChain(digest, 'out'),
    ...Array.from({ length: Number(count) }, (_, at) => otherChain(digest, at)),
  ];
}

/**
 * Where a direction begins. Each has a chain that only its own hook leads to, because of what is not possible behind
 * all hooks (`reject`), and older kernels (6.1) look at every way.
 */
export function programChain(digest: string, direction: RuleDirection): string {
  return `rules/${digest}/${direction}`;
}

export function otherChain(digest: string, at: number): string {
  return `rules/${digest}/${at}`;
}
