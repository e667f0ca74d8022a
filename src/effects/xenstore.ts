import { Failure, shown } from '../errors.ts';
import { isNotInstalled, LISTING_BYTES, type RunTool, type StartAhead, toolFailure } from './exec.ts';

/** Values of one xenstore directory by key. */
export type XenstoreKeys = ReadonlyMap<string, string>;

const READ_MS = 6_000;
/** The keys of a backend directory that the program reads, for the tool that must be asked key by key. */
const WANTED = ['mac', 'ip', 'bridge', 'vifname', 'mtu', 'type', 'script', 'hotplug-error', 'vlan'] as const;

/**
 * All keys of a backend directory in one process (`xenstore-ls -f`); undefined if the directory does not exist.
 *
 * Without `-f` it cuts values to the width of a terminal, 80 columns where there is none (measured with 4.17): a list
 * of addresses would lose its end.
 *
 * @throws Failure `timeout` if xenstored does not answer, `tool` if it cannot be reached
 */
export async function readDirectory(run: RunTool, path: string): Promise<XenstoreKeys | undefined> {
  try {
    const args = ['-f', path];
    const result = await run('xenstore-ls', args, { timeoutMs: READ_MS, lockless: true });
    if (result.status === 0) return parseListing(result.stdout, path);
    if (isAbsent(result.stderr)) return undefined;
    throw toolFailure('xenstore-ls', args, result);
  } catch (error) {
    if (isNotInstalled(error)) return readKeyByKey(run, path);
    throw error;
  }
}

/** What the tools of Xen say where xenstored cannot be reached: `xs_open` is their call of the library. */
export function isUnreachable(stderr: string): boolean {
  return /xs_open|Connection refused/.test(stderr);
}

/** What they say of a node that is not there. */
function isAbsent(stderr: string): boolean {
  return /No such file or directory/.test(stderr) && !isUnreachable(stderr);
}

/** True if xenstored is not there, or does not answer. */
export function isSilent(error: unknown): boolean {
  return error instanceof Failure && (error.code === 'timeout' || isUnreachable(error.stderr));
}

/** Begins what `readDirectory` will ask. */
export function directoryAhead(host: { readonly ahead: StartAhead }, path: string): void {
  host.ahead('xenstore-ls', ['-f', path], { lockless: true, input: false });
}

/** Begins what `nodeExists` will ask. */
export function nodeAhead(host: { readonly ahead: StartAhead }, path: string): void {
  host.ahead('xenstore-exists', [path], { lockless: true, input: false });
}

/** For 4000 vifs of about 20 keys: xenstore-ls asks twice for each. */
const READ_ALL_MS = 120_000;
/**
 * One xenstore-ls and xenstored wait for each other by turns. Several keep xenstored at work (measured with 1000 vifs:
 * 1.2 s by one, 0.4 s by four, on two CPUs).
 */
const READERS = 4;
/** Fewer domains are read sooner by one. */
const MANY_DOMAINS = 64;

/**
 * The backend directories of all vifs below `parent` (`backend/vif`) in a few processes. Some may go while they are
 * read.
 *
 * @returns the keys of each, by its path, read when they are asked for; undefined where there is no such directory
 * @throws Failure `timeout` if xenstored does not answer, `tool` if it cannot be reached or there is no xenstore-ls.
 *   The function that is returned throws `tool` for a directory that could not be read as a whole
 */
export async function readDirectoriesBelow(
  run: RunTool,
  parent: string,
): Promise<(path: string) => XenstoreKeys | undefined> {
  const text = (await listedInParts(run, parent)) ?? (await listing(run, [parent]));
  const lines = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const path = /^\/\d+\/\d+(?=\/)/.exec(line.startsWith(parent) ? line.slice(parent.length) : '')?.[0];
    if (path === undefined) continue;
    const own = lines.get(parent + path);
    if (own === undefined) lines.set(parent + path, [line]);
    else own.push(line);
  }
  return (path) => {
    const own = lines.get(path);
    return own === undefined ? undefined : parseListing(own.join('\n'), path);
  };
}

/**
 * What `xenstore-ls -f` prints of these directories.
 *
 * @throws Failure if one of several is not there: a tool that is given more ends at that one
 */
async function listing(run: RunTool, paths: readonly string[]): Promise<string> {
  const args = ['-f', ...paths];
  const result = await run('xenstore-ls', args, { timeoutMs: READ_ALL_MS, lockless: true, mostBytes: LISTING_BYTES });
  // With output it is an error on the way: what was not printed may be there all the same.
  const missing = paths.length === 1 && result.stdout === '' && isAbsent(result.stderr);
  if (result.status !== 0 && !missing) throw toolFailure('xenstore-ls', args, result);
  return result.stdout;
}

/** The directories of all domains, read by several at once; undefined where that is not to be, for whatever reason. */
async function listedInParts(run: RunTool, parent: string): Promise<string | undefined> {
  try {
    const result = await run('xenstore-list', [parent], { timeoutMs: READ_MS, lockless: true });
    const domains = result.stdout.split('\n').filter((name) => /^\d+$/.test(name));
    if (result.status !== 0 || domains.length < MANY_DOMAINS) return undefined;
    const size = Math.ceil(domains.length / READERS);
    const parts = Array.from({ length: READERS }, (_, index) => domains.slice(index * size, (index + 1) * size));
    const paths = parts.map((part) => part.map((domain) => `${parent}/${domain}`)).filter((part) => part.length > 0);
    return (await Promise.all(paths.map((some) => listing(run, some)))).join('');
  } catch (error) {
    // A guest that ended meanwhile ends its part; one listing of all goes on. It also finds what is really wrong.
    if (error instanceof Failure && error.code !== 'timeout') return undefined;
    throw error;
  }
}

/** For hosts whose xenstore tools have no xenstore-ls: one process a key. */
async function readKeyByKey(run: RunTool, path: string): Promise<XenstoreKeys | undefined> {
  const found = await Promise.all(
    WANTED.map(async (key) => {
      const result = await run('xenstore-read', [`${path}/${key}`], { timeoutMs: READ_MS });
      if (isUnreachable(result.stderr)) throw toolFailure('xenstore-read', [`${path}/${key}`], result);
      return result.status === 0 ? ([key, unescaped(result.stdout.replace(/\n$/, ''))] as const) : undefined;
    }),
  );
  const keys = new Map(found.filter((entry) => entry !== undefined));
  return keys.size === 0 ? undefined : keys;
}

/** Writes pairs in one transaction of one process, in the given order. */
export async function writeKeys(
  run: RunTool,
  pairs: readonly (readonly [path: string, value: string])[],
): Promise<void> {
  const args = ['--', ...pairs.flat()];
  const result = await run('xenstore-write', args, { timeoutMs: READ_MS });
  if (result.status !== 0) throw toolFailure('xenstore-write', args, result);
}

/**
 * True if a node exists.
 *
 * @throws Failure `tool` if xenstored cannot be reached: "cannot see" is not "is not there"
 */
export async function nodeExists(run: RunTool, path: string): Promise<boolean> {
  try {
    const result = await run('xenstore-exists', [path], { timeoutMs: READ_MS, lockless: true });
    if (isUnreachable(result.stderr)) throw toolFailure('xenstore-exists', [path], result);
    return result.status === 0;
  } catch (error) {
    if (!isNotInstalled(error)) throw error;
    return (await run('xenstore-read', [path], { timeoutMs: READ_MS })).status === 0;
  }
}

/**
 * Reads what `xenstore-ls -f` prints below `path`: `backend/vif/1/0/key = "value"`, everything but printable ASCII
 * escaped. What is deeper belongs to somebody else.
 *
 * @throws Failure `tool` for a line that is neither: a key that is lost, or a value that cannot be read (`key:`), must
 * not be taken for one that is not set, since without `ip` a vif may be less restricted
 */
export function parseListing(text: string, path: string): XenstoreKeys {
  const keys = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const below = line.startsWith(`${path}/`) ? line.slice(path.length + 1) : undefined;
    const match = /^([A-Za-z0-9_@-]+)((?:\/[A-Za-z0-9_@-]+)*)(?: = "(.*)"|:)$/.exec(below ?? '');
    if (match?.[1] === undefined) {
      throw new Failure('tool', `xenstore-ls -f ${path} printed ${shown(line)}`, { hint: 'is it the one of Xen?' });
    }
    if (match[2] !== '') continue;
    if (match[3] === undefined) {
      throw new Failure('tool', `xenstore-ls cannot read ${path}/${match[1]}`, { hint: 'is the vif being removed?' });
    }
    keys.set(match[1], unescaped(match[3]));
  }
  return keys;
}

/**
 * Undoes the escapes of xenstore-ls and xenstore-read: `\n`, `\t`, `\r`, `\\`, `\xHH`, octal `\ooo`. Each character of
 * the result is one byte.
 */
export function unescaped(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))/g,
    (_all, hex?: string, octal?: string, other?: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      return { n: '\n', t: '\t', r: '\r' }[other ?? ''] ?? other ?? '';
    },
  );
}
