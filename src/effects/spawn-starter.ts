import { spawn } from 'node:child_process';
import { type Ended, type Starter, startedAs } from './starter.ts';

/**
 * By node:child_process: what a run of Xen's starts its tools with. execa would cost it 19 ms of CPU time, with Node 45
 * (docs/performance.md).
 */
export const startBySpawn = ((tool, args, options) => {
  const child = spawn(tool, args, {
    detached: true,
    env: { ...process.env, LC_ALL: 'C' },
    stdio: [options.input ? 'pipe' : 'ignore', 'pipe', 'pipe', ...options.fds],
  });
  const stdout = collected(child.stdout);
  const stderr = collected(child.stderr);
  const ended = new Promise<Ended>((resolve) => {
    const settle = (how: Pick<Ended, 'status' | 'signal' | 'error'>): void =>
      resolve({ ...how, stdout: stdout(), stderr: stderr() });
    child.once('error', ({ code, message }: NodeJS.ErrnoException) =>
      settle({ status: undefined, signal: undefined, error: { code, message } }),
    );
    child.once('close', (status, signal) =>
      settle({ status: status ?? undefined, signal: signal ?? undefined, error: undefined }),
    );
  });
  return startedAs(child, ended);
}) satisfies Starter;

/** Keeps what a stream says; the result gives all of it so far. */
function collected(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A reset connection is an end.
  stream?.on('error', () => {});
  return () => Buffer.concat(chunks).toString('utf8');
}
