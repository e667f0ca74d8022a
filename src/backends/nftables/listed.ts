import { LISTING_BYTES } from '../../effects/exec.ts';
import type { Host } from '../../host.ts';
import { textDigest } from '../../text-digest.ts';
import { type PortPlace, TABLE } from './base-text.ts';
import { CLAIMED_TABLE } from './device-tables.ts';
import { DEVICE_CHAINS } from './device-text.ts';
import { programShape } from './program-shape.ts';

/**
 * What nft prints of our table, as digests. Only ever compared with others of the same nft, so no difference between
 * versions matters but for one needless repair after an upgrade.
 */
export interface Listed {
  /** Of all chains, rules, sets and maps that all vifs share. */
  readonly base: string;
  /** The programs of guests' rules, by their digests: they come and go with them. */
  readonly programs: ReadonlyMap<string, ListedProgram>;
}

export interface ListedProgram {
  /** All of its text. */
  readonly listing: string;
  /** What is known of one that was never listed (program-shape.ts). */
  readonly shape: string;
}

/** A host may be very busy; a thousand times what it takes. */
const LIST_MS = 30_000;
/**
 * Without counters (-s) and elements (-t), which change all the time. The whole family, because nft 1.0.6 fetches all
 * elements for the listing of one table and does not print them (measured with 4000 vifs: 455 ms against 23).
 */
const LIST_SHARED = ['-s', '-t', 'list', 'ruleset', 'bridge'] as const;

/** The second table of ports that are on no bridge is no bigger with many of them. */
const LIST_CLAIMED = ['-s', '-t', 'list', 'table', ...CLAIMED_TABLE.split(' ')] as const;

/** Undefined if there is no table, or it cannot be listed. */
export async function listed({ run }: Pick<Host, 'run'>, place: PortPlace): Promise<Listed | undefined> {
  const how = { timeoutMs: LIST_MS, mostBytes: LISTING_BYTES };
  const [{ status, stdout }, more] = await Promise.all([
    run('nft', LIST_SHARED, how),
    place === 'device' ? run('nft', LIST_CLAIMED, how) : undefined,
  ]);
  const first = status === 0 ? parsed(stdout) : undefined;
  if (first === undefined || more === undefined) return first;
  return { ...first, base: textDigest(`${first.base}${more.status === 0 ? more.stdout.replace(COUNT, '') : ''}`) };
}

const PROGRAM = /\n\tchain (rules\/([^\s{/]+)\/(?:in|out|[0-9]+)) \{\n((?:[^\n]*\n)*?)\t\}\n/g;

/** How many elements a set has, behind its size: nft 1.1.7 (sid) says so even where it lists none. */
const COUNT = /\t# count \d+$/gm;

/** Those at a device come and go with it. */
const DEVICE_CHAIN = new RegExp(`\\n\\tchain ${DEVICE_CHAINS}[^\\n]*\\{\\n(?:[^\\n]*\\n)*?\\t\\}\\n`, 'g');

/** Our table in a listing: tables stand at the beginning of a line, and so do the braces that end them. */
function parsed(listing: string): Listed | undefined {
  const start = `\n${listing}`.indexOf(`\ntable ${TABLE} {\n`);
  const end = listing.indexOf('\n}\n', start);
  if (start < 0 || end < 0) return undefined;
  const texts = new Map<string, string>();
  const chains = new Map<string, [name: string, rules: readonly string[]][]>();
  const base = listing
    .slice(start, end + 1)
    .replace(COUNT, '')
    .replace(DEVICE_CHAIN, '')
    .replace(PROGRAM, (text, name: string, digest: string, body: string) => {
      // Of several chains all are looked at.
      texts.set(digest, `${texts.get(digest) ?? ''}${text}`);
      const rules = body.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
      chains.set(digest, [...(chains.get(digest) ?? []), [name, rules]]);
      return '';
    });
  const programs = [...texts].map(
    ([digest, text]) => [digest, { listing: textDigest(text), shape: programShape(chains.get(digest) ?? []) }] as const,
  );
  return { base: textDigest(base), programs: new Map(programs) };
}
