import { spawn } from 'node:child_process';
import { type Ended, killGroup, type Starter, startedAs } from './starter.ts';

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
  let endless = false;
  const tooMuch = (): void => {
    endless = true;
    killGroup(child.pid);
  };
  const stdout = collected(child.stdout, options.mostBytes, tooMuch);
  const stderr = collected(child.stderr, options.mostBytes, tooMuch);
  const ended = new Promise<Ended>((resolve) => {
    const settle = (how: Pick<Ended, 'status' | 'signal' | 'error'>): void =>
      resolve({ ...how, stdout: stdout(), stderr: stderr(), endless });
    child.once('error', ({ code, message }: NodeJS.ErrnoException) =>
      settle({ status: undefined, signal: undefined, error: { code, message } }),
    );
    child.once('close', (status, signal) =>
      settle({ status: status ?? undefined, signal: signal ?? undefined, error: undefined }),
    );
  });
  return startedAs(child, ended);
}) satisfies Starter;

/**
 * Keeps what a stream says; the result gives all of it so far.
 *
 * @param mostBytes behind which nothing is kept
 * @param tooMuch is called when more comes
 */
function collected(stream: NodeJS.ReadableStream | null, mostBytes: number, tooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= mostBytes) chunks.push(chunk);
    else tooMuch();
  });
  // A reset connection is an end.
  stream?.on('error', () => {});
  return () => Buffer.concat(chunks).toString('utf8');
}
