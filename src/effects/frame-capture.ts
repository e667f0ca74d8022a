import { spawn } from 'node:child_process';
import { Failure, oneLine } from '../errors.ts';

/** A capture that runs. */
export interface Capture {
  /** Ends it; its frames end then. Twice is fine. */
  stop(): void;
  /** Settles when it has ended. @throws Failure `not-installed`, or `tool` if it ended by itself */
  readonly ended: Promise<void>;
}

/**
 * Hands over what a device receives, in the format of pcap, as it comes: by tcpdump, which has a ring in the kernel and
 * drops what nobody reads.
 *
 * @param take is given the next bytes
 */
export function captureFrames(device: string, take: (bytes: Uint8Array) => void): Capture {
  const args = ['-i', device, '-Q', 'in', '-p', '-n', '-U', '-s', '512', '-w', '-'];
  const child = spawn('tcpdump', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  let stopped = false;
  let said = '';
  child.stdout.on('data', take);
  child.stderr.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString('utf8')).slice(-2_000);
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'ENOENT'
          ? new Failure('not-installed', 'tcpdump is not installed', { hint: 'apt install tcpdump' })
          : new Failure('tool', `tcpdump: ${error.message}`),
      );
    });
    // Ctrl-C is for it too, and then it ends well.
    child.once('close', (status) => {
      if (stopped || status === 0) resolve();
      else reject(new Failure('tool', `tcpdump -i ${device} ended: ${oneLine(said, 160)}`));
    });
  });
  // Whoever asks is told; nobody need ask.
  ended.catch(() => undefined);
  return {
    ended,
    stop() {
      stopped = true;
      child.kill('SIGTERM');
    },
  };
}
