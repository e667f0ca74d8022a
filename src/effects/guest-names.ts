import { Failure } from '../errors.ts';
import { type RunTool, toolFailure } from './exec.ts';
import { isUnreachable, unescaped } from './xenstore.ts';

const READ_MS = 6_000;

/**
 * The name of a guest, by xl's toolstack: /local/domain/ID/name belongs to dom0, the guest can only read it.
 *
 * While a guest is coming in or going away by migration its name has an ending (xl_migrate.c): it is the same guest.
 *
 * @throws Failure `missing` if xenstore does not say (a driver domain may not read it): without the name nobody knows
 *   what the policy wants
 */
export async function readGuestName(run: RunTool, domid: number): Promise<string> {
  const result = await run('xenstore-read', [nodeOf(domid)], { timeoutMs: READ_MS, lockless: true });
  if (result.status === 0) return guestName(result.stdout);
  throw new Failure('missing', `the name of guest ${domid} cannot be read, and the policy has sections of guests`, {
    at: nodeOf(domid),
    hint: 'where no name can be read (in a driver domain) write [mac ...] in place of [guest ...]',
  });
}

/**
 * Names of several guests, in two processes; some more where one of them has none: it is being made, has ended
 * meanwhile, or only a part of it was left.
 *
 * @throws Failure `tool` if xenstore cannot be asked
 */
export async function readGuestNames(run: RunTool, domids: Iterable<number>): Promise<Map<number, string>> {
  const parent = ['/local/domain'];
  const listed = await run('xenstore-list', parent, { timeoutMs: READ_MS, lockless: true });
  if (listed.status !== 0) throw toolFailure('xenstore-list', parent, listed);
  const known = new Set(
    listed.stdout
      .split('\n')
      .filter((line) => /^\d+$/.test(line))
      .map(Number),
  );
  const asked = [...new Set(domids)].filter((domid) => known.has(domid));
  return new Map(await namesOf(run, asked));
}

/** xenstore-read ends at the first node that is not there: in halves, those of all others are found. */
async function namesOf(run: RunTool, domids: readonly number[]): Promise<(readonly [number, string])[]> {
  if (domids.length === 0) return [];
  const args = domids.map(nodeOf);
  const read = await run('xenstore-read', args, { timeoutMs: READ_MS, lockless: true });
  if (read.status === 0) {
    const names = read.stdout.split('\n');
    return domids.map((domid, index) => [domid, guestName(names[index] ?? '')]);
  }
  if (isUnreachable(read.stderr)) throw toolFailure('xenstore-read', args, read);
  if (domids.length === 1) return [];
  const half = domids.length >> 1;
  return [...(await namesOf(run, domids.slice(0, half))), ...(await namesOf(run, domids.slice(half)))];
}

function nodeOf(domid: number): string {
  return `/local/domain/${domid}/name`;
}

function guestName(printed: string): string {
  const bytes = unescaped(printed.replace(/\n$/, ''));
  return Buffer.from(bytes, 'latin1')
    .toString('utf8')
    .replace(/--(?:incoming|migratedaway)$/, '');
}
