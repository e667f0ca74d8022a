export const HOTPLUG_COMMANDS = ['online', 'offline', 'add', 'remove'] as const;
export type HotplugCommand = (typeof HOTPLUG_COMMANDS)[number];

/** A command line as Xen writes it. */
export interface HotplugCall {
  readonly command: HotplugCommand;
  /** Its `name=value`. */
  readonly args: readonly string[];
  /** The same, only printed: for people, and for the build, which compiles what a run needs. */
  readonly dryRun: boolean;
}

/**
 * A hotplug command with nothing but `name=value` around it, which is how Xen calls, or with `--dry-run` besides: it
 * means the same to commander, which takes longer to load than to say so (measured: 4 ms). Undefined for all else.
 */
export function hotplugCall(argv: readonly string[]): HotplugCall | undefined {
  const [first, ...more] = argv.filter((arg) => !isAssignment(arg));
  const command = HOTPLUG_COMMANDS.find((name) => name === first);
  const dryRun = more.length === 1 && more[0] === '--dry-run';
  if (command === undefined || (more.length > 0 && !dryRun)) return undefined;
  return { command, args: argv.filter(isAssignment), dryRun };
}

/** `name=value`; a word with a dash in front is an option, whatever follows. */
export function isAssignment(arg: string): boolean {
  return /^[^-].*=/s.test(arg);
}
