import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createStoreTree, isValidPath, parentOf } from './store-tree.ts';

// Message types of xen/include/public/io/xs_wire.h.
const TYPES = {
  1: 'DIRECTORY',
  2: 'READ',
  3: 'GET_PERMS',
  4: 'WATCH',
  5: 'UNWATCH',
  6: 'TRANSACTION_START',
  7: 'TRANSACTION_END',
  10: 'GET_DOMAIN_PATH',
  11: 'WRITE',
  12: 'MKDIR',
  13: 'RM',
  14: 'SET_PERMS',
  22: 'DIRECTORY_PART',
} as const;
const WATCH_EVENT = 15;
const ERROR = 16;
const HEADER = 16;
const MAX_PAYLOAD = 4096;

type Op = (typeof TYPES)[keyof typeof TYPES];

/** One request of a client, in the order of arrival. */
export interface StoreRequest {
  readonly op: Op | `UNKNOWN_${number}`;
  /** As the client wrote it, absolute or relative. */
  readonly path: string;
  /** Of a WRITE, as UTF-8; the token of a WATCH. */
  readonly value?: string;
  /** The transaction it belongs to; 0 for none. */
  readonly transaction: number;
  /** Milliseconds on the clock of performance.now(). */
  readonly at: number;
}

export interface XenstoredOptions {
  /** Default: a socket in a new temporary folder. */
  readonly socketPath?: string;
  /** Whose /local/domain/<domid> relative paths mean. */
  readonly domid?: number;
  /** False to keep no log of requests, for benchmarks. */
  readonly log?: boolean;
}

/** A xenstored for tests. Paths of its methods are absolute or relative like those of a client; values are UTF-8. */
export interface Xenstored {
  /** The path for XENSTORED_PATH. */
  readonly socket: string;
  readonly domid: number;
  readonly log: StoreRequest[];
  read(path: string): string | undefined;
  readBytes(path: string): Buffer | undefined;
  /** Writes like a client would: missing parents are made, watches fire. */
  write(path: string, value: string | Uint8Array): void;
  remove(path: string): void;
  list(path: string): string[] | undefined;
  load(record: Readonly<Record<string, string>>): void;
  /**
   * Every node below a path as absolute path and value, sorted by path. Nodes without value and with children are left
   * out.
   */
  dump(path?: string): Record<string, string>;
  /**
   * Calls back after each change at a path or below it, whoever made it.
   *
   * @returns a function that ends it
   */
  observe(path: string, changed: (path: string) => void): () => void;
  /** true: connections are accepted and requests left waiting. false: they are answered at last. */
  hang(hanging: boolean): void;
  stop(): Promise<void>;
}

interface Watch {
  readonly socket: Socket | undefined;
  /** As given, for the comparison in UNWATCH. */
  readonly given: string;
  readonly path: string;
  readonly token: string;
  readonly fire: (path: string) => void;
}

class StoreError extends Error {}

/**
 * Starts a xenstored that the genuine xenstore-* tools and libxl can talk to: the protocol of xs_wire.h over a Unix
 * socket, without access rights. A transaction is applied at once; aborting one takes nothing back.
 */
export async function startXenstored(options: XenstoredOptions = {}): Promise<Xenstored> {
  const domid = options.domid ?? 0;
  const home = `/local/domain/${domid}`;
  const socketPath = options.socketPath ?? join(mkdtempSync(join(tmpdir(), 'xvb-xenstored-')), 'socket');
  const tree = createStoreTree();
  const log: StoreRequest[] = [];
  const sockets = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let watches: Watch[] = [];
  let hanging = false;
  let transactions = 0;
  tree.mkdir(home);
  tree.write(`${home}/domid`, Buffer.from(String(domid)));

  const resolve = (path: string): string => {
    const absolute = path.startsWith('/') ? path : `${home}/${path}`;
    if (!isValidPath(absolute)) throw new StoreError('EINVAL');
    return absolute;
  };
  const changed = (path: string): void => {
    for (const watch of watches) if (path === watch.path || isBelow(path, watch.path)) watch.fire(path);
  };
  const write = (path: string, value: Buffer): void => {
    const absolute = resolve(path);
    tree.write(absolute, value);
    changed(absolute);
  };
  const remove = (path: string): void => {
    const absolute = resolve(path);
    const gone = tree.remove(absolute);
    // As in xenstored: removing what is not there is fine as long as it could be there.
    if (!gone && tree.read(parentOf(absolute)) === undefined) throw new StoreError('ENOENT');
    if (!gone) return;
    changed(absolute);
    for (const watch of watches) if (watch.path !== absolute && gone.includes(watch.path)) watch.fire(watch.path);
  };
  const existing = (path: string): Buffer => {
    const value = tree.read(resolve(path));
    if (value === undefined) throw new StoreError('ENOENT');
    return value;
  };

  const addWatch = (socket: Socket, given: string, token: string): void => {
    const special = given.startsWith('@');
    const path = special ? given : resolve(given);
    // A relative watch is told relative paths.
    const told = (at: string): string => (given.startsWith('/') || special ? at : at.slice(home.length + 1));
    const watch: Watch = {
      socket,
      given,
      path,
      token,
      fire: (at) => send(socket, WATCH_EVENT, 0, 0, Buffer.from(`${told(at)}\0${token}\0`)),
    };
    watches.push(watch);
    // Every watch fires once when it is set; after the reply to the request itself.
    queueMicrotask(() => watch.fire(path));
  };

  const children = (path: string): Buffer =>
    Buffer.from((tree.list(resolve(path)) ?? []).map((name) => `${name}\0`).join(''));

  const answer = (op: Op, payload: Buffer, socket: Socket): Buffer => {
    const [path = '', second = ''] = strings(payload);
    switch (op) {
      case 'DIRECTORY':
        existing(path);
        // libxenstore then asks for parts (tools/libs/store/xs.c: xs_directory).
        if (children(path).length > MAX_PAYLOAD) throw new StoreError('E2BIG');
        return children(path);
      case 'DIRECTORY_PART':
        existing(path);
        return childrenFrom(children(path), Number(second));
      case 'READ':
        return existing(path);
      case 'GET_PERMS':
        existing(path);
        return Buffer.from(`n${domid}\0`);
      case 'SET_PERMS':
        existing(path);
        return OK;
      case 'WATCH':
        addWatch(socket, path, second);
        return OK;
      case 'UNWATCH': {
        const kept = watches.filter((w) => w.socket !== socket || w.given !== path || w.token !== second);
        if (kept.length === watches.length) throw new StoreError('ENOENT');
        watches = kept;
        return OK;
      }
      case 'TRANSACTION_START':
        transactions += 1;
        return Buffer.from(`${transactions}\0`);
      case 'TRANSACTION_END':
        return OK;
      case 'GET_DOMAIN_PATH':
        return Buffer.from(`/local/domain/${path}\0`);
      case 'WRITE':
        write(path, payload.subarray(payload.indexOf(0) + 1));
        return OK;
      case 'MKDIR': {
        const absolute = resolve(path);
        if (tree.read(absolute) !== undefined) return OK;
        tree.mkdir(absolute);
        changed(absolute);
        return OK;
      }
      case 'RM':
        remove(path);
        return OK;
      default:
        return op satisfies never;
    }
  };

  const handle = (socket: Socket, type: number, request: number, transaction: number, payload: Buffer): void => {
    const op = type in TYPES ? TYPES[type as keyof typeof TYPES] : undefined;
    if (options.log !== false) log.push(requestOf(op ?? `UNKNOWN_${type}`, transaction, payload));
    try {
      if (op === undefined) throw new StoreError('EINVAL');
      send(socket, type, request, transaction, answer(op, payload, socket));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      send(socket, ERROR, request, transaction, Buffer.from(`${error.message}\0`));
    }
  };

  const server = createServer((socket) => {
    let input: Buffer = NOTHING;
    sockets.add(socket);
    socket.on('data', (chunk: Buffer) => {
      input = input.length === 0 ? chunk : Buffer.concat([input, chunk]);
      while (input.length >= HEADER) {
        const [type, request, transaction, length] = headerOf(input);
        if (length > MAX_PAYLOAD) return void socket.destroy();
        if (input.length < HEADER + length) return;
        const payload = input.subarray(HEADER, HEADER + length);
        input = input.subarray(HEADER + length);
        const work = () => handle(socket, type, request, transaction, payload);
        if (hanging) waiting.push(work);
        else work();
      }
    });
    // ECONNRESET, EPIPE: a client that was killed.
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      watches = watches.filter((watch) => watch.socket !== socket);
    });
  });
  await new Promise<void>((done, reject) => {
    server.once('error', reject);
    server.listen(socketPath, done);
  });

  const read = (path: string): Buffer | undefined => tree.read(resolve(path));
  return {
    socket: socketPath,
    domid,
    log,
    read: (path) => read(path)?.toString(),
    readBytes: read,
    write: (path, value) => write(path, Buffer.from(value)),
    remove,
    list: (path) => tree.list(resolve(path)),
    load: (record) => {
      for (const [path, value] of Object.entries(record)) write(path, Buffer.from(value));
    },
    dump: (path = '/') =>
      Object.fromEntries(
        tree
          .entries(resolve(path))
          .filter(([at, value]) => value.length > 0 || tree.list(at)?.length === 0)
          .map(([at, value]): [string, string] => [at, value.toString()])
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
    observe: (path, fire) => {
      const watch: Watch = { socket: undefined, given: path, path: resolve(path), token: '', fire };
      watches.push(watch);
      return () => {
        watches = watches.filter((other) => other !== watch);
      };
    },
    hang: (on) => {
      hanging = on;
      if (!on) for (const work of waiting.splice(0)) work();
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
      if (options.socketPath === undefined) rmSync(dirname(socketPath), { recursive: true, force: true });
    },
  };
}

const OK = Buffer.from('OK\0');
const NOTHING = Buffer.alloc(0);

function isBelow(path: string, folder: string): boolean {
  return folder === '/' ? path !== '/' : path.startsWith(`${folder}/`);
}

function strings(payload: Buffer): string[] {
  return payload.toString().split('\0');
}

function requestOf(op: StoreRequest['op'], transaction: number, payload: Buffer): StoreRequest {
  const [path = '', second = ''] = strings(payload);
  return {
    op,
    path,
    ...(op === 'WRITE' ? { value: payload.subarray(payload.indexOf(0) + 1).toString() } : {}),
    ...(op === 'WATCH' ? { value: second } : {}),
    transaction,
    at: performance.now(),
  };
}

function headerOf(message: Buffer): [type: number, request: number, transaction: number, length: number] {
  return [message.readUInt32LE(0), message.readUInt32LE(4), message.readUInt32LE(8), message.readUInt32LE(12)];
}

function send(socket: Socket, type: number, request: number, transaction: number, payload: Buffer): void {
  const message = Buffer.allocUnsafe(HEADER + payload.length);
  message.writeUInt32LE(type, 0);
  message.writeUInt32LE(request, 4);
  message.writeUInt32LE(transaction, 8);
  message.writeUInt32LE(payload.length, 12);
  message.set(payload, HEADER);
  socket.write(message);
}

/**
 * As many whole names of a long list as a message holds (docs/misc/xenstore.txt, DIRECTORY_PART): behind the generation
 * of the node, which never changes within one listing here; an empty name more says that it was the last part.
 */
function childrenFrom(all: Buffer, offset: number): Buffer {
  const generation = Buffer.from('1\0');
  const rest = all.subarray(offset);
  const room = MAX_PAYLOAD - generation.length - 1;
  if (rest.length <= room) return Buffer.concat([generation, rest, Buffer.from('\0')]);
  return Buffer.concat([generation, rest.subarray(0, rest.lastIndexOf(0, room - 1) + 1)]);
}
