import { FAILED, printable } from '../errors.ts';

/** True for the error of a stream that nobody reads any more. */
function isUnread(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE';
}

let outlives = false;

/**
 * From here on it stops nothing that nobody reads: `vif-bridge status | head` ends its reader before itself, what it
 * does goes on, and its status is that of what it did.
 *
 * By the process and not by its streams: Node has it as an exception, Bun as a rejection. A run of Xen's says nothing
 * to anybody and goes without, which saves it 3 ms.
 */
export function outliveReader(): void {
  if (outlives) return;
  outlives = true;
  process.on('uncaughtException', endUnlessUnread);
  process.on('unhandledRejection', endUnlessUnread);
}

function endUnlessUnread(error: unknown): void {
  if (isUnread(error)) return;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`vif-bridge: ${printable(text)}\n`);
  process.exit(FAILED);
}

/** Aborted when nobody reads the standard output any more: for what would go on without end. */
export function whenUnread(): AbortSignal {
  const gone = new AbortController();
  process.stdout.on('error', (error) => {
    if (!isUnread(error)) throw error;
    gone.abort();
  });
  return gone.signal;
}
