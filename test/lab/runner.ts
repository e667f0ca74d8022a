/**
 * Programs of the tests are started by a small process (runner.c) that begins with the first of them: this one, with
 * its heap, needs milliseconds for a fork, in which it does nothing else. Where there is no gcc, nobody starts it.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { compile } from './compiler.ts';

/** What is to be run; `environment` is all of it. */
export interface Request {
  /** A network namespace, as `ip netns exec` enters it, with its own /sys; undefined for this process's. */
  readonly namespace?: string | undefined;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
  /** Undefined: /dev/null. */
  readonly input?: string | Uint8Array | undefined;
  readonly timeoutMs: number;
}

/** How it ended. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** It could not be started. */
interface Refused {
  readonly errno: number;
}

interface Pending {
  readonly argv: readonly string[];
  readonly resolve: (ended: Ended) => void;
  readonly reject: (error: Error) => void;
}

interface Runner {
  run(request: Request): Promise<Ended>;
}

const HEAD = 20;
const TIMED_OUT = 1;
const NOT_STARTED = 2;

let found: Runner | undefined | null = null;

/** The one of this process; undefined where there can be none. */
export function runner(): Runner | undefined {
  if (found === null) found = openRunner();
  return found;
}

function openRunner(): Runner | undefined {
  if (spawnSync('gcc', ['--version'], { stdio: 'ignore' }).error !== undefined) return undefined;
  const child = spawn(compile('runner.c', 'program'), { stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting = new Map<number, Pending>();
  let id = 0;
  hold(child, false);
  listen(child, (number, ended) => {
    const pending = waiting.get(number);
    waiting.delete(number);
    if (waiting.size === 0) hold(child, false);
    if ('status' in ended) pending?.resolve(ended);
    else pending?.reject(notStarted(pending.argv, ended.errno));
  });
  child.stdin.on('error', () => {});
  child.once('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('the starter of programs (runner.c) has ended'));
    waiting.clear();
    found = undefined;
  });
  return {
    run: (request) =>
      new Promise((resolve, reject) => {
        id += 1;
        waiting.set(id, { argv: request.argv, resolve, reject });
        hold(child, true);
        child.stdin.write(asBytes(id, request));
      }),
  };
}

/** Whether this process waits for it; its end closes the pipes, and that ends the other one. */
function hold(child: ChildProcessByStdio<Writable, Readable, null>, on: boolean): void {
  for (const one of [child, child.stdin as Socket, child.stdout as Socket]) on ? one.ref() : one.unref();
}

function asBytes(id: number, { namespace = '', argv, environment, folder, input, timeoutMs }: Request): Buffer {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const words = Buffer.from([namespace, folder, ...argv, ...variables].map((word) => `${word}\0`).join(''));
  const rest = input === undefined ? Buffer.alloc(0) : Buffer.from(input);
  const bytes = input === undefined ? 0xffff_ffff : rest.length;
  const head = Uint32Array.of(HEAD + words.length + rest.length, id, timeoutMs, argv.length, variables.length, bytes);
  return Buffer.concat([Buffer.from(head.buffer), words, rest]);
}

/** Calls back for each answer, with the errno alone for what could not be started. */
function listen(
  child: ChildProcessByStdio<Writable, Readable, null>,
  answered: (id: number, ended: Ended | Refused) => void,
): void {
  let chunks: Buffer[] = [];
  let length = 0;
  let wanted = HEAD;
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length < wanted) return;
    let all = Buffer.concat(chunks);
    for (wanted = HEAD; all.length >= wanted; wanted = HEAD) {
      wanted = HEAD + all.readUInt32LE(12) + all.readUInt32LE(16);
      if (all.length < wanted) break;
      answered(all.readUInt32LE(0), endOf(all.subarray(0, wanted)));
      all = all.subarray(wanted);
    }
    chunks = [all];
    length = all.length;
  });
}

function endOf(answer: Buffer): Ended | Refused {
  const code = answer.readInt32LE(4);
  const flags = answer.readUInt32LE(8);
  const errors = HEAD + answer.readUInt32LE(12);
  if ((flags & NOT_STARTED) !== 0) return { errno: code };
  return {
    status: code < 0 ? null : code,
    signal: code < 0 ? (nameOf(constants.signals, -code) as NodeJS.Signals) : null,
    timedOut: (flags & TIMED_OUT) !== 0,
    stdout: answer.toString('utf8', HEAD, errors),
    stderr: answer.toString('utf8', errors),
  };
}

/** As Node's own `spawn` says it. */
function notStarted([program]: readonly string[], errno: number): Error {
  const code = nameOf(constants.errno, errno);
  return Object.assign(new Error(`spawn ${program} ${code}`), { code, errno: -errno, syscall: `spawn ${program}` });
}

function nameOf(names: Readonly<Record<string, number>>, wanted: number): string {
  return Object.entries(names).find(([, number]) => number === wanted)?.[0] ?? String(wanted);
}
