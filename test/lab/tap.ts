import { createInterface } from 'node:readline';
import { compile } from './compiler.ts';
import type { Namespace } from './namespace.ts';
import { type SeenFrame, WireError } from './wire.ts';

/** The virtio_net_hdr that comes before a frame (linux/virtio_net.h); what is not given is 0. */
export interface VnetHeader {
  /** Of the checksum that the kernel is to write: the first byte it is made of. NEEDS_CSUM is set with it. */
  readonly start?: number;
  /** Where it is written, from `start`. */
  readonly offset?: number;
  /** 1 TCP over IPv4, 4 TCP over IPv6. */
  readonly gso?: number;
  readonly segment?: number;
  readonly headers?: number;
}

/** Plays QEMU: makes taps, holds them, and writes to them what the guest wrote into its virtio ring. */
export interface DeviceModel {
  /** Makes a tap and keeps it open, as QEMU does before Xen runs the script. */
  open(tap: string, kind: 'vnet' | 'plain'): Promise<void>;
  /** @throws WireError, `code` EINVAL for a header that the kernel does not take, EIO when the tap is down */
  send(tap: string, frame: string, header?: VnetHeader): Promise<void>;
  /** What has left by the taps since the last call, as a network card would have sent it. */
  collect(quietMs?: number): Promise<SeenFrame[]>;
  /** Gives the network stack of another namespace a card behind the tap: a guest with checksum and segment offload. */
  join(tap: string, guest: Namespace, card: string): Promise<void>;
  exit(): Promise<void>;
}

const NEEDS_CSUM = 1;

/** Starts it in a namespace. @throws Error when gcc is missing */
export async function openDeviceModel(ns: Namespace): Promise<DeviceModel> {
  const child = ns.spawn([compile('tap.c', 'program')]);
  const waiting: { resolve: (lines: string[]) => void; reject: (error: Error) => void }[] = [];
  let lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('got ')) {
      lines.push(line);
      return;
    }
    const [, code = 'EPROTO', ...words] = line.split(' ');
    if (line.startsWith('.')) waiting.shift()?.resolve(lines);
    else waiting.shift()?.reject(new WireError(code, words.join(' ')));
    lines = [];
  });
  child.stdin.on('error', () => {});
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      for (const { reject } of waiting.splice(0)) reject(new WireError('EPIPE', 'the device model has ended'));
      resolve();
    });
  });
  const reply = (): Promise<string[]> => new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  const ask = (command: string): Promise<string[]> => {
    child.stdin.write(`${command}\n`);
    return reply();
  };
  await reply();
  return {
    async open(tap, kind) {
      await ask(`open ${tap} ${kind}`);
    },
    async send(tap, frame, header = {}) {
      await ask(`send ${tap} ${headerBytes(header).toString('hex')} ${frame}`);
    },
    async collect(quietMs = 20) {
      return (await ask(`collect ${quietMs}`)).map((line) => {
        const [, iface = '', hex = ''] = line.split(' ');
        return { iface, hex };
      });
    },
    async join(tap, guest, card) {
      await ask(`guest ${tap} /run/netns/${guest.name} ${card}`);
    },
    async exit() {
      child.stdin.end();
      await ended;
    },
  };
}

function headerBytes(header: VnetHeader): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.writeUInt8(header.start === undefined ? 0 : NEEDS_CSUM, 0);
  bytes.writeUInt8(header.gso ?? 0, 1);
  bytes.writeUInt16LE(header.headers ?? 0, 2);
  bytes.writeUInt16LE(header.segment ?? 0, 4);
  bytes.writeUInt16LE(header.start ?? 0, 6);
  bytes.writeUInt16LE(header.offset ?? 0, 8);
  return bytes;
}
