import { execa } from 'execa';

/** Something is missing or broken on the machine that runs the harness; the text says what and what to do. */
export class HarnessError extends Error {}

/**
 * Runs a program of this machine to its end and returns its stdout.
 * @param seconds it is killed after this time
 * @throws HarnessError with the command line and the end of stderr when it fails
 */
export async function command(
  file: string,
  args: readonly string[],
  { seconds = 120, cwd, input }: { seconds?: number; cwd?: string; input?: string } = {},
): Promise<string> {
  const result = await execa(file, args, {
    reject: false,
    timeout: seconds * 1000,
    env: { LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    stripFinalNewline: false,
    maxBuffer: 64 << 20,
    ...(cwd === undefined ? {} : { cwd }),
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
  });
  if (result.failed) {
    const why = result.timedOut
      ? `no end after ${seconds} s`
      : `exit status ${result.exitCode ?? result.originalMessage}`;
    throw new HarnessError(`${[file, ...args].join(' ').slice(0, 400)}: ${why}\n${result.stderr.slice(-2000)}`);
  }
  return result.stdout;
}
