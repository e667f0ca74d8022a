import { HarnessError } from './command.ts';
import type { Ended } from './control.ts';
import type { XenHost } from './xen-host.ts';

/** A guest to make: `vifs` are the strings of xl's vif=[...], `lines` any other line of its configuration. */
export interface GuestPlan {
  readonly name: string;
  readonly vifs: readonly string[];
  readonly lines?: readonly string[];
  /** MiB. */
  readonly memory?: number;
  /** A fully virtualised guest that drives its emulated network card instead of the paravirtual one. */
  readonly hvm?: boolean;
}

/** A running guest with the harness's init on its console. */
export interface Guest {
  readonly name: string;
  /**
   * Runs a busybox shell command in the guest and returns what it printed. @throws HarnessError if it fails or hangs
   */
  sh(command: string, seconds?: number): Promise<string>;
  /** Waits until the guest has come up for the `times`-th time (counted from its creation). */
  ready(times?: number, seconds?: number): Promise<void>;
}

/** Where xl finds the guest's configuration in dom0. */
export const configPath = (name: string): string => `/run/guests/${name}.cfg`;

const consoleLog = (name: string): string => `/var/log/xen/console/guest-${name}.log`;

/** Puts a text into a single-quoted shell word. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * `preempt=none`: a sender that the kernel puts aside while its device goes makes netfront divide by zero
 * (xennet_select_queue, Linux 6.1), and the guest is gone in the middle of a flood.
 */
const PV = ['kernel = "/mnt/run/vmlinux"', 'extra = "console=hvc0 quiet panic=1 preempt=none"'];
// Without `never` the kernel would unplug the emulated card in favour of the paravirtual one.
const HVM = [
  'type = "hvm"',
  'kernel = "/mnt/run/vmlinuz"',
  'extra = "console=hvc0 quiet panic=1 xen_emul_unplug=never nic=e1000"',
  'vnc = 0',
  'nographic = 1',
  'usb = 0',
];

/** Writes the configuration of a guest into dom0. */
export async function writeConfig(
  host: XenHost,
  { name, vifs, lines = [], memory, hvm = false }: GuestPlan,
): Promise<void> {
  const config = [
    `name = "${name}"`,
    ...(hvm ? HVM : PV),
    `memory = ${memory ?? (hvm ? 192 : 128)}`,
    'ramdisk = "/mnt/run/guest-initrd.gz"',
    'vcpus = 1',
    `vif = [${vifs.map((vif) => `'${vif}'`).join(', ')}]`,
    ...lines,
  ];
  await host.sh(`mkdir -p /run/guests; printf '%s\\n' ${config.map(quoted).join(' ')} >${configPath(name)}`);
}

/** `xl create`, whatever comes of it. Takes 4 s on idle cores. */
export async function create(host: XenHost, plan: GuestPlan): Promise<Ended> {
  await writeConfig(host, plan);
  await host.sh(`rm -f ${consoleLog(plan.name)}`);
  return host.run(`xl create ${configPath(plan.name)}`, 300);
}

let lastTag = 0;

/** The handle of a guest that exists, or is about to. */
export function guestNamed(host: XenHost, name: string): Guest {
  const log = consoleLog(name);
  // Of the domain that has the name now; a reboot makes another.
  let tty: string | undefined;
  return {
    name,
    ready: async (times = 1, seconds = 120) => {
      await host.sh(`console ready ${log} ${times}`, seconds);
      tty = undefined;
    },
    sh: async (command, seconds = 60) => {
      tty ??= (await host.sh(`xenstore-read /local/domain/$(xl domid ${name})/console/tty`)).trim();
      const { status, stdout, stderr } = await host.run(
        `console run ${log} ${tty} t${++lastTag} ${quoted(command)}`,
        seconds,
      );
      const text = stdout.replaceAll('\r', '').trimEnd();
      if (status !== 0) throw new HarnessError(`in guest ${name}, status ${status}: ${command}\n${text}${stderr}`);
      return text;
    },
  };
}

/** Creates a guest and waits until it takes commands. @throws HarnessError with xl's words if that fails */
export async function createGuest(host: XenHost, plan: GuestPlan): Promise<Guest> {
  const { status, stdout, stderr } = await create(host, plan);
  if (status !== 0) throw new HarnessError(`xl create ${plan.name}: status ${status}\n${stdout}${stderr}`);
  const guest = guestNamed(host, plan.name);
  await guest.ready();
  return guest;
}
