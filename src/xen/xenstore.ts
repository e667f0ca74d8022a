import { type RunTool, toolFailure } from '../effects/exec.ts';
import { Failure } from '../errors.ts';

/** Values of one xenstore directory by key. */
export type XenstoreKeys = ReadonlyMap<string, string>;

const READ_MS = 6_000;
/** The keys of a backend directory that the program reads, for the tool that must be asked key by key. */
const WANTED = ['mac', 'ip', 'bridge', 'vifname', 'mtu', 'type', 'script', 'hotplug-error', 'vlan'] as const;

/**
 * All keys of a backend directory in one process (`xenstore-ls`); undefined if the directory does not exist.
 *
 * @throws Failure `timeout` if xenstored does not answer, `tool` if it cannot be reached
 */
export async function readDirectory(run: RunTool, path: string): Promise<XenstoreKeys | undefined> {
  try {
    const args = [path];
    const result = await run('xenstore-ls', args, { timeoutMs: READ_MS });
    if (result.status === 0) return parseListing(result.stdout);
    if (/No such file or directory/.test(result.stderr) && !/xs_open/.test(result.stderr)) return undefined;
    throw toolFailure('xenstore-ls', args, result);
  } catch (error) {
    if (error instanceof Failure && /is not installed/.test(error.message)) return readKeyByKey(run, path);
    throw error;
  }
}

/** For hosts whose xenstore tools have no xenstore-ls: one process a key. */
async function readKeyByKey(run: RunTool, path: string): Promise<XenstoreKeys | undefined> {
  const found = await Promise.all(
    WANTED.map(async (key) => {
      const result = await run('xenstore-read', [`${path}/${key}`], { timeoutMs: READ_MS });
      if (/xs_open|Connection refused/.test(result.stderr))
        throw toolFailure('xenstore-read', [`${path}/${key}`], result);
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

/** True if a node exists. */
export async function nodeExists(run: RunTool, path: string): Promise<boolean> {
  const result = await run('xenstore-exists', [path], { timeoutMs: READ_MS });
  return result.status === 0;
}

/**
 * Reads what xenstore-ls prints: `key = "value"`, below a node one blank deeper, with a trailing `...` where it cut a
 * value to the width of a terminal (it does not when it writes to a pipe: measured with 4.17).
 */
export function parseListing(text: string): XenstoreKeys {
  const keys = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([^ =][^ =]*) = "(.*)"(\.\.\.)?(?: {3}\(.*\))?$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    if (match[3] !== undefined) {
      throw new Failure('tool', `xenstore-ls cut the value of ${match[1]}`, { hint: 'this is a bug in vif-bridge' });
    }
    keys.set(match[1], unescaped(match[2]));
  }
  return keys;
}

/** Undoes the escapes of xenstore-ls and xenstore-read: `\n`, `\t`, `\r`, `\\`, `\xHH`, octal `\ooo`. */
function unescaped(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))/g,
    (_all, hex?: string, octal?: string, other?: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      return { n: '\n', t: '\t', r: '\r' }[other ?? ''] ?? other ?? '';
    },
  );
}
