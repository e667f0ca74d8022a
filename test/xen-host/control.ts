import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HarnessError } from './command.ts';

/** How a shell script in dom0 ended. status: exit status, 128 + signal. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Wall time as seen from outside, in seconds. */
  readonly seconds: number;
}

/** Runs shell scripts in dom0; several may be under way at once. */
export interface Control {
  /** @param seconds the script's process group is killed then; status is 137 */
  run(script: string, seconds?: number): Promise<Ended>;
  close(): void;
}

async function connected(path: string): Promise<Socket> {
  for (let tries = 0; ; tries++) {
    try {
      return await new Promise<Socket>((resolve, reject) => {
        const socket = connect(path, () => resolve(socket));
        socket.once('error', reject);
      });
    } catch (error) {
      if (tries > 50) throw error;
      await sleep(100);
    }
  }
}

/**
 * Connects to the agent in dom0 (inside/agent.c has the protocol) and waits until it is ready.
 * @param ended what to wait for meanwhile: a machine that ends before that
 * @throws HarnessError when dom0 does not come up in time
 */
export async function connectControl(path: string, ended: Promise<string>, seconds: number): Promise<Control> {
  const socket = await connected(path);
  const waiting = new Map<number, { resolve: (ended: Ended) => void; begun: number }>();
  let received = Buffer.alloc(0);
  let ready = () => {};
  const isReady = new Promise<void>((resolve) => {
    ready = resolve;
  });

  /** Takes one complete answer off `received`; false if there is none yet. */
  const takeAnswer = (): boolean => {
    const end = received.indexOf(10);
    if (end < 0) return false;
    const head = received.subarray(0, end).toString();
    const [word, id = 0, status = 0, out = 0, err = 0] = head
      .split(' ')
      .map((part, i) => (i ? Number(part) : part)) as [string, ...number[]];
    if (word === 'READY') ready();
    if (word !== 'END') {
      received = received.subarray(end + 1);
      return true;
    }
    if (received.length < end + 1 + out + err) return false;
    const stdout = received.subarray(end + 1, end + 1 + out).toString();
    const stderr = received.subarray(end + 1 + out, end + 1 + out + err).toString();
    received = received.subarray(end + 1 + out + err);
    const job = waiting.get(id);
    waiting.delete(id);
    job?.resolve({ status, stdout, stderr, seconds: (performance.now() - job.begun) / 1000 });
    return true;
  };
  socket.on('data', (data) => {
    received = Buffer.concat([received, data]);
    while (takeAnswer());
  });
  socket.on('error', () => {});

  const tooLate = new AbortController();
  await Promise.race([
    isReady,
    ended.then((text) => {
      throw new HarnessError(`QEMU ended before dom0 was up: ${text}`);
    }),
    sleep(seconds * 1000, undefined, { signal: tooLate.signal }).then(() => {
      throw new HarnessError(`dom0 is not up after ${seconds} s`);
    }),
  ]).finally(() => tooLate.abort());

  let last = 0;
  return {
    run: (script, seconds = 120) =>
      new Promise<Ended>((resolve, reject) => {
        const id = ++last;
        const limit = setTimeout(() => {
          socket.write(`KILL ${id} 0\n`);
          limit.refresh();
        }, seconds * 1000);
        const dead = setTimeout(
          () => reject(new HarnessError(`dom0 does not answer any more (${seconds} s)\n${script}`)),
          (seconds + 60) * 1000,
        );
        const settle = (ended: Ended) => {
          clearTimeout(limit);
          clearTimeout(dead);
          resolve(ended);
        };
        waiting.set(id, { resolve: settle, begun: performance.now() });
        const bytes = Buffer.from(script);
        socket.write(Buffer.concat([Buffer.from(`RUN ${id} ${bytes.length}\n`), bytes]));
        ended.then(() => {
          clearTimeout(limit);
          clearTimeout(dead);
          reject(new HarnessError('QEMU ended while a command ran in dom0'));
        });
      }),
    close: () => socket.destroy(),
  };
}
