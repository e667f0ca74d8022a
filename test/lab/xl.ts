import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from './compiler.ts';
import type { Namespace } from './namespace.ts';
import { PLAIN_ENV } from './subprocess.ts';
import { backendPath, frontendPath, type VifConfig, vifBackend } from './vif-backend.ts';
import { fetchXl } from './xen-packages.ts';
import type { Xenstored } from './xenstored.ts';

export interface XlOptions {
  readonly ns: Namespace;
  /** Its `domid` is the domain that xl believes to run in: 0, or another number for a driver domain. */
  readonly xenstored: Xenstored;
  /** What is at /etc/xen/scripts for xl and the scripts it starts; the host's own folder, if any, unless told. */
  readonly scriptDir?: string;
  /**
   * The environment xl is started in, which every script inherits; PATH and LC_ALL=C unless told. XENSTORED_PATH is
   * added.
   */
  readonly env?: Readonly<Record<string, string>>;
}

/** How libxl judged the runs of one vif. */
export interface HotplugOutcome {
  readonly succeeded: boolean;
  /** The key as the script left it: `connected`, `error`, or empty when it wrote nothing. */
  readonly status: string | undefined;
  readonly error: string | undefined;
}

/** Debian's `xl devd` at work: libxl's real hotplug code, driven by xenstore, without a hypervisor. */
export interface XlDevd {
  /** Plays toolstack and netback: writes the keys of a vif and says that it is ready (state 2). */
  attach(vif: VifConfig): Promise<void>;
  /** Waits until libxl is done with the vif: all its script runs (`online`, `add`) ended, or one failed. */
  waitForHotplug(domid: number, devid?: number, timeoutMs?: number): Promise<HotplugOutcome>;
  /**
   * Plays the end of the guest (no frontend any more, online 0, state 6), which runs `offline` (and `remove`); resolves
   * when libxl has removed the backend directory.
   */
  detach(domid: number, devid?: number, timeoutMs?: number): Promise<void>;
  /** What xl has printed, which includes what its scripts printed on stdout and stderr. */
  log(): string;
  stop(): Promise<void>;
}

// libxl kills a script after 40 s; an HVM guest's NIC has two runs.
const OUTCOME_TIMEOUT_MS = 90_000;
const START_TIMEOUT_MS = 15_000;

/*
 * Runs in the mount namespace that `ip netns exec` made, so the host sees nothing of it: a /dev with the two devices
 * libxl opens (what it then asks of them fails, and libxl goes on), and a /etc with an own /etc/xen/scripts.
 * /dev/log is left out: messages must not reach the host's journal.
 */
const PRIVATE_MOUNTS = `set -e
scripts=$1; shift
mount --make-rprivate /
new=/dev/shm
mount -t tmpfs -o mode=755 xvb-dev $new
for node in null zero full random urandom tty net/tun; do
  [ -e /dev/$node ] || continue
  mkdir -p $new/$(dirname $node); : >$new/$node; mount --bind /dev/$node $new/$node
done
ln -s /proc/self/fd $new/fd; ln -s fd/0 $new/stdin; ln -s fd/1 $new/stdout; ln -s fd/2 $new/stderr
mkdir $new/xen $new/shm; ln -s /dev/null $new/xen/privcmd; ln -s /dev/null $new/xen/hypercall
mount --rbind $new /dev
if [ -n "$scripts" ]; then
  mount -t tmpfs xvb-etc $new
  mkdir -p $new/upper/xen/scripts $new/work
  mount -t overlay -o lowerdir=/etc,upperdir=$new/upper,workdir=$new/work xvb-etc /etc
  umount -l $new
  mount --bind "$scripts" /etc/xen/scripts
fi
exec "$@"`;

/**
 * Starts `xl devd` in a namespace.
 *
 * @returns when it watches for vifs
 * @throws Error with xl's own words when it does not start
 */
export async function startXlDevd(options: XlOptions): Promise<XlDevd> {
  const { ns, xenstored } = options;
  const own = xenstored.domid;
  const packages = await fetchXl();
  // Through the loader, not with LD_LIBRARY_PATH and LD_PRELOAD: scripts would inherit those.
  const loader = [
    ...[dynamicLoader(), '--library-path', packages.libraries],
    ...(own === 0 ? ['--preload', compile('domain-zero.c', 'preload')] : []),
  ];
  const mounts = ['/bin/sh', '-c', PRIVATE_MOUNTS, 'private-mounts', options.scriptDir ?? ''];
  const child = ns.spawn([...mounts, ...loader, packages.xl, '-vvv', 'devd', '-F'], {
    env: { ...(options.env ?? PLAIN_ENV), XENSTORED_PATH: xenstored.socket },
    cwd: '/',
  });
  let text = '';
  let exited = false;
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      tell();
    });
  }
  child.once('error', (error) => {
    text += error.message;
  });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      exited = true;
      tell();
      resolve();
    });
  });
  const unobserve = xenstored.observe('/', tell);

  /** Waits for a condition over the log and the store; both tell when they change. */
  const until = <T>(what: string, timeoutMs: number, look: () => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer);
        listeners.delete(listener);
        settle();
      };
      const listener = () => {
        const seen = look();
        if (seen !== undefined) done(() => resolve(seen));
        else if (exited) done(() => reject(new Error(`xl devd ended while waiting for ${what}:\n${text}`)));
      };
      const timer = setTimeout(
        () => done(() => reject(new Error(`no ${what} after ${timeoutMs} ms; xl printed:\n${text}`))),
        timeoutMs,
      );
      listeners.add(listener);
      listener();
    });

  // One vif can be attached again after its removal: only what was printed since then counts.
  const since = new Map<string, number>();
  const outcome = (backend: string, action: 'add' | 'remove'): string | undefined =>
    new RegExp(`device ${backend} ${action} (succeed|failed)`).exec(
      text.slice(since.get(`${backend} ${action}`) ?? 0),
    )?.[1];

  await until('xl devd', START_TIMEOUT_MS, () =>
    xenstored.log.some(({ op, path }) => op === 'WATCH' && path.endsWith('backend')) ? true : undefined,
  );

  return {
    async attach(vif) {
      const backend = backendPath(vif.domid, vif.devid, own);
      since.set(`${backend} add`, text.length);
      xenstored.load(vifBackend({ ...vif, backendDomid: own }));
      xenstored.write(`${backend}/state`, '2');
    },
    async waitForHotplug(domid, devid = 0, timeoutMs = OUTCOME_TIMEOUT_MS) {
      const backend = backendPath(domid, devid, own);
      const word = await until(`end of the hotplug run of ${backend}`, timeoutMs, () => outcome(backend, 'add'));
      return {
        succeeded: word === 'succeed',
        status: xenstored.read(`${backend}/hotplug-status`),
        error: xenstored.read(`${backend}/hotplug-error`),
      };
    },
    async detach(domid, devid = 0, timeoutMs = OUTCOME_TIMEOUT_MS) {
      const backend = backendPath(domid, devid, own);
      since.set(`${backend} remove`, text.length);
      xenstored.remove(frontendPath(domid, devid));
      xenstored.write(`${backend}/online`, '0');
      xenstored.write(`${backend}/state`, '6');
      await until(`removal of ${backend}`, timeoutMs, () =>
        xenstored.read(backend) === undefined && outcome(backend, 'remove') !== undefined ? true : undefined,
      );
    },
    log: () => text,
    async stop() {
      unobserve();
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 2_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

function dynamicLoader(): string {
  for (const folder of ['/lib64', '/lib']) {
    const name = existsSync(folder) && readdirSync(folder).find((file) => /^ld-linux.*\.so\.\d+$/.test(file));
    if (name) return join(folder, name);
  }
  throw new Error('no dynamic loader in /lib64 and /lib: is this glibc?');
}
