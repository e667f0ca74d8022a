import { asFailure, Failure, oneLine } from '../../errors.ts';
import type { Host } from '../../host.ts';
import type { EbtTools } from '../../state/records.ts';

/** What the system's alternatives name. As long as its variant is not known, text that is right for both. */
export const DEFAULT_EBT_TOOLS: EbtTools = { list: 'ebtables', restore: 'ebtables-restore', variant: 'legacy' };

/** Variants of ebtables, best first: what the system's alternatives name is what other software uses too. */
const EBT_PROGRAMS = [
  { list: 'ebtables', restore: 'ebtables-restore' },
  { list: 'ebtables-nft', restore: 'ebtables-nft-restore' },
  { list: 'ebtables-legacy', restore: 'ebtables-legacy-restore' },
] as const;

/**
 * The best variant that works here.
 *
 * @throws Failure `tool` if none does, saying why of each
 */
export async function workingEbtables(host: Pick<Host, 'run'>): Promise<EbtTools> {
  const obstacles: string[] = [];
  for (const tools of EBT_PROGRAMS) {
    try {
      const result = await host.run(tools.list, ['-t', 'nat', '-L', 'PREROUTING']);
      if (result.status === 0) return { ...tools, variant: await variantOf(host, tools.list) };
      obstacles.push(`${tools.list}: ${oneLine(result.stderr, 60)}`);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code !== 'tool' && failure.code !== 'not-installed') throw failure;
      obstacles.push(failure.message);
    }
  }
  throw new Failure('tool', `ebtables does not work: ${obstacles.join('; ')}`, {
    hint: 'install nftables or ebtables, and a kernel that has one of them for bridges',
  });
}

/** `ebtables 1.8.9 (nf_tables)`, `ebtables v2.0.11 (legacy) (2015-10-18)`. */
async function variantOf(host: Pick<Host, 'run'>, program: string): Promise<EbtTools['variant']> {
  const { stdout } = await host.run(program, ['-V']);
  return /nf_tables/.test(stdout) ? 'nft' : 'legacy';
}
