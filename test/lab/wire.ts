import { createInterface } from 'node:readline';
import { compile } from './compiler.ts';
import type { Namespace } from './namespace.ts';

/** One frame as it was on the wire: lower-case hex without FCS, VLAN tags included. */
export interface SeenFrame {
  readonly iface: string;
  readonly hex: string;
}

/** A frame in hex, blanks allowed, or its bytes. */
export type FrameBytes = string | Uint8Array | Buffer;

export interface Stream {
  /** Ends it. `errors` are frames the kernel refused to take, for example because the link was down. */
  stop(): Promise<{ sent: number; errors: number }>;
}

export interface Counter {
  /** Ends it. `dropped` are frames of any content that came faster than the counter could read. */
  stop(): Promise<{ received: number; dropped: number }>;
}

/** Sends and receives raw frames on the interfaces of one namespace. Calls are answered in the order they are made. */
export interface Wire {
  /**
   * Sends one frame as it is. When the promise resolves, the other end has received it or somebody dropped it.
   *
   * @throws WireError, `code` ENETDOWN when the interface is down, EMSGSIZE above its MTU, ENOBUFS when the other end
   *   of the veth is down or has a smaller MTU (just after it went down the kernel may still take the frame and drop
   *   it)
   */
  send(iface: string, frame: FrameBytes): Promise<void>;
  /**
   * Everything that arrived since the last call, oldest first per interface, waiting until nothing came for `quietMs`.
   * Frames that were sent from an interface itself are not in it.
   *
   * @throws WireError EBUSY when the interfaces do not fall silent within 2 s, ENOBUFS when frames were lost
   */
  collect(quietMs?: number): Promise<SeenFrame[]>;
  /** Watches one more interface, or one again that was deleted and made anew. */
  open(iface: string): Promise<void>;
  close(iface: string): Promise<void>;
  /** Sends a frame again and again in the background, `perSecond` times a second or, with 0, at full speed. */
  stream(iface: string, frame: FrameBytes, perSecond?: number): Promise<Stream>;
  /** Counts the frames that arrive on an interface and are equal to `frame` byte by byte. */
  count(iface: string, frame: FrameBytes): Promise<Counter>;
  exit(): Promise<void>;
}

/** A refused command; `code` is the name of the errno. */
export class WireError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

interface Pending {
  readonly data: string[];
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

interface Reply {
  readonly data: readonly string[];
  readonly last: string;
}

/**
 * Starts the wire program in a namespace.
 *
 * @param interfaces names to open now; they have to exist, but may be down
 * @throws WireError when one of them cannot be opened, Error when gcc is missing
 */
export async function openWire(ns: Namespace, interfaces: readonly string[]): Promise<Wire> {
  const child = ns.spawn([compile('wire.c', 'program'), ...interfaces]);
  const queue: Pending[] = [];
  const stderr: string[] = [];
  let tasks = 0;

  const nextReply = (): Promise<Reply> =>
    new Promise((resolve, reject) => {
      queue.push({ data: [], resolve, reject });
    });
  const ask = (command: string): Promise<Reply> => {
    if (child.exitCode !== null || child.signalCode !== null) throw new WireError('EPIPE', 'the wire has ended');
    child.stdin.write(`${command}\n`);
    return nextReply();
  };
  const two = (reply: Reply): [number, number] => {
    const [first, second] = reply.last.split(' ').map(Number);
    return [first ?? Number.NaN, second ?? Number.NaN];
  };

  createInterface({ input: child.stdout }).on('line', (line) => {
    const [pending] = queue;
    if (line.startsWith('got ')) pending?.data.push(line);
    else if (line.startsWith('.')) queue.shift()?.resolve({ data: pending?.data ?? [], last: line.slice(2) });
    else queue.shift()?.reject(refusal(line));
  });
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk.toString()));
  child.stdin.on('error', () => {});
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      for (const pending of queue.splice(0)) {
        pending.reject(new WireError('EPIPE', `the wire has ended: ${stderr.join('')}`));
      }
      resolve();
    });
  });

  await nextReply();
  return {
    async send(iface, frame) {
      await ask(`send ${iface} ${toHex(frame)}`);
    },
    async collect(quietMs = 5) {
      const { data } = await ask(`collect ${quietMs}`);
      return data.map((line) => {
        const [, iface = '', hex = ''] = line.split(' ');
        return { iface, hex };
      });
    },
    async open(iface) {
      await ask(`open ${iface}`);
    },
    async close(iface) {
      await ask(`close ${iface}`);
    },
    async stream(iface, frame, perSecond = 0) {
      const id = `s${tasks++}`;
      await ask(`stream ${id} ${iface} ${toHex(frame)} ${perSecond}`);
      return {
        async stop() {
          const [sent, errors] = two(await ask(`stop ${id}`));
          return { sent, errors };
        },
      };
    },
    async count(iface, frame) {
      const id = `c${tasks++}`;
      await ask(`count ${id} ${iface} ${toHex(frame)}`);
      return {
        async stop() {
          const [received, dropped] = two(await ask(`uncount ${id}`));
          return { received, dropped };
        },
      };
    },
    async exit() {
      child.stdin.end();
      await ended;
    },
  };
}

function refusal(line: string): WireError {
  const [, code = 'EPROTO', ...words] = line.split(' ');
  return new WireError(code, words.join(' ') || line);
}

function toHex(frame: FrameBytes): string {
  return typeof frame === 'string'
    ? frame.replace(/\s+/g, '')
    : Array.from(frame, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
