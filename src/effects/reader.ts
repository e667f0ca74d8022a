/**
 * Who reads what a command prints. `vif-bridge status | head` stops reading before its end: what the command does goes
 * on, and its status is that of what it did.
 */

/** True for the error of a stream that nobody reads any more. */
export function isUnread(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE';
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
