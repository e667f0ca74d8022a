import { execa } from 'execa';
import { type Ended, killGroup, type Starter, startedAs } from './starter.ts';

/** By execa: for commands that people run. */
export const startByExeca = ((tool, args, options) => {
  const child = execa(tool, [...args], {
    reject: false,
    detached: true,
    cleanup: false,
    stripFinalNewline: false,
    // execa's types know no plain descriptors behind the first three; its documentation and code do.
    stdio: [options.input ? 'pipe' : 'ignore', 'pipe', 'pipe', ...(options.fds as unknown as 'inherit'[])],
    env: { LC_ALL: 'C' },
    maxBuffer: options.mostBytes,
  });
  const ended = child.then((result): Ended => {
    const endless = result.isMaxBuffer === true;
    // execa has ended the child alone.
    if (endless) killGroup(child.pid);
    return {
      status: result.exitCode,
      signal: result.signal,
      error:
        result.exitCode === undefined && result.signal === undefined
          ? { code: result.code, message: result.originalMessage ?? 'failed' }
          : undefined,
      stdout: String(result.stdout ?? ''),
      stderr: String(result.stderr ?? ''),
      endless,
    };
  });
  return startedAs(child, ended);
}) satisfies Starter;
