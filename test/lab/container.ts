import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { debootstrapped } from './debootstrap.ts';
import type { Namespace } from './namespace.ts';
import { PLAIN_ENV, type RunResult, runProgram } from './subprocess.ts';

/** Debian, booted with its own systemd in the network of a namespace. */
export interface Container {
  /** Runs a program inside. */
  run(argv: readonly string[]): Promise<RunResult>;
  /** The same for commands that have to work. */
  check(argv: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

export interface ContainerOptions {
  /** Files to lay into it, by path. */
  readonly files: Readonly<Record<string, string>>;
  /** Folders of this host that it sees at the same place. */
  readonly shared: readonly string[];
}

/** Kept, because it takes some minutes and 400 MB, and is no part of the project. */
const PLACE = '/var/tmp/xvb-container-bookworm';
const MINUTES = 20;
const PACKAGES = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'nftables',
  'iproute2',
  'firewalld',
  'libpam-systemd',
  'netbase',
  'xenstore-utils',
];

/**
 * The root of such a container.
 *
 * @returns a reason in words if it cannot be had here
 */
async function rootOrReason(): Promise<{ root: string } | string> {
  const nspawn = await runProgram(['systemd-nspawn', '--version'], { env: PLAIN_ENV }).catch(() => undefined);
  if (nspawn?.status !== 0) return 'needs systemd-nspawn (Debian: systemd-container)';
  const obstacle = await debootstrapped(PLACE, 'bookworm', PACKAGES, MINUTES);
  if (obstacle !== undefined) return obstacle;
  return { root: PLACE };
}

/**
 * Boots it. What it changes is lost when it stops.
 *
 * @returns a reason in words if there can be none here
 */
export async function startContainer(ns: Namespace, options: ContainerOptions): Promise<Container | string> {
  const found = await rootOrReason();
  if (typeof found === 'string') return found;
  const folder = mkdtempSync(join(tmpdir(), 'xvb-container-'));
  const files = Object.entries(options.files).map(([path, text], index) => {
    const file = join(folder, String(index));
    writeFileSync(file, text);
    return `--bind-ro=${file}:${path}`;
  });
  // Not by `ip netns exec`, whose /sys has no cgroups.
  const argv = [
    '--quiet',
    '--register=no',
    '--keep-unit',
    '--console=pipe',
    '--capability=all',
    `--directory=${found.root}`,
    '--volatile=overlay',
    `--network-namespace-path=/run/netns/${ns.name}`,
    ...files,
    ...options.shared.map((path) => `--bind=${path}`),
    '--boot',
  ];
  const child = spawn('systemd-nspawn', argv, { env: PLAIN_ENV, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const inside = async (argv: readonly string[]): Promise<RunResult> =>
    runProgram(['nsenter', '--all', `--target=${initOf(child.pid)}`, ...argv], { env: PLAIN_ENV, timeoutMs: 60_000 });
  for (let waited = 0; ; waited += 200) {
    const state =
      initOf(child.pid) === undefined ? '' : (await inside(['systemctl', 'is-system-running'])).stdout.trim();
    if (state === 'running' || state === 'degraded') break;
    if (waited > 60_000 || child.exitCode !== null) throw new Error(`the container did not boot (${state}): ${said}`);
    await sleep(200);
  }
  return {
    run: inside,
    async check(argv) {
      const { status, stdout, stderr } = await inside(argv);
      if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}: ${stdout}${stderr}`);
      return stdout;
    },
    async stop() {
      await inside(['systemctl', 'poweroff', '--force', '--force']).catch(() => undefined);
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Its first process: the child of systemd-nspawn; undefined before it is there. */
function initOf(nspawn: number | undefined): string | undefined {
  try {
    return readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8').trim().split(' ').find(Boolean);
  } catch {
    return undefined;
  }
}
