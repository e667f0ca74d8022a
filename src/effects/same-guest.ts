import type { RunTool } from './exec.ts';

const READ_MS = 6_000;

/**
 * True if two domains are one guest: before and after a reboot or a migration to this host (one UUID, in /vm), or a
 * guest and the stub domain that emulates its devices (`target`, libxl_dm.c). Undefined if xenstore does not say.
 */
export async function isSameGuest(run: RunTool, one: number, other: number): Promise<boolean | undefined> {
  const read = async (path: string): Promise<string | undefined> => {
    try {
      const result = await run('xenstore-read', [path], { timeoutMs: READ_MS, lockless: true });
      return result.status === 0 ? result.stdout.trim() : undefined;
    } catch {
      return undefined;
    }
  };
  const [vm, otherVm] = [await read(`/local/domain/${one}/vm`), await read(`/local/domain/${other}/vm`)];
  if (vm === undefined || otherVm === undefined) return undefined;
  if (vm === otherVm) return true;
  const isStubOf = async (domid: number, guest: number): Promise<boolean> =>
    (await read(`/local/domain/${domid}/target`)) === String(guest);
  return (await isStubOf(one, other)) || (await isStubOf(other, one));
}
