import type { ToolOptions, ToolResult } from '../../src/effects/exec.ts';
import type { Log, Severity } from '../../src/effects/log.ts';
import type { Rtnetlink } from '../../src/effects/rtnetlink.ts';
import type { Device, NetTable } from '../../src/effects/sysfs.ts';
import type { Host } from '../../src/host.ts';
import { DEFAULT_POLICY, type Policy } from '../../src/policy/policy.ts';
import { openState } from '../../src/state/state.ts';

/**
 * How one program answers; what is left out is success without output. Throwing is what a hang or a missing tool does.
 */
export type Tool = (args: readonly string[], options: ToolOptions) => Partial<ToolResult>;

export interface FakeOptions {
  /** The programs that may be run. Any other call is an error of the test. */
  readonly tools: Readonly<Record<string, Tool>>;
  readonly devices?: readonly Device[];
  /** An empty folder for the state. */
  readonly directory: string;
  readonly policy?: Partial<Policy>;
  readonly ticket?: number;
  readonly uplink?: string;
  /** The kernel can limit the groups of a port. */
  readonly limitsGroups?: boolean;
  /** Files of /proc/net. */
  readonly networks?: Partial<Record<NetTable, string>>;
  /** Whether the kernel takes requests; unless told, there is no way to it. */
  readonly kernel?: 'takes' | 'refuses';
}

export interface FakeHost {
  readonly host: Host;
  /** Every effect in its order: `ip link set dev vif1.0 up`, `lock vif1.0`, `release vif1.0`, ... */
  readonly effects: string[];
  readonly log: { severity: Severity; text: string }[];
}

export function device(name: string, more: Partial<Device> = {}): Device {
  return {
    name,
    ifindex: 7,
    mac: 'fe:ff:ff:ff:ff:ff',
    mtu: 1500,
    up: false,
    master: undefined,
    isBridge: false,
    stp: false,
    vlanFiltering: false,
    xenbus: undefined,
    group: 0,
    alias: undefined,
    ...more,
  };
}

/** A host that holds only what it was given, and writes down everything that is done to it. */
export function fakeHost(options: FakeOptions): FakeHost {
  const effects: string[] = [];
  const log: { severity: Severity; text: string }[] = [];
  let devices = options.devices ?? [];
  const say: Log['say'] = (severity, text) => void log.push({ severity, text });
  const host: Host = {
    run: async (tool, args, toolOptions = {}) => {
      const known = options.tools[tool];
      if (known === undefined) throw new Error(`unexpected: ${tool} ${args.join(' ')}`);
      const input = args.includes('-batch') ? (toolOptions.input ?? '').trimEnd().split('\n') : [args.join(' ')];
      effects.push(...input.map((line) => `${tool} ${line}`));
      const result = { status: 0, stdout: '', stderr: '', ...known(args, toolOptions) };
      if (tool === 'ip' && result.status === 0) devices = input.reduce(changed, devices);
      return result;
    },
    ahead: () => {},
    close: () => {},
    rtnetlink: options.kernel && kernelThat(options.kernel, effects),
    log: { say, deliver: async () => {}, begin: () => {} },
    sendLog: () => {},
    takeLock: async (name) => {
      effects.push(`lock ${name}`);
      return { release: async () => void effects.push(`release ${name}`) };
    },
    locks: {
      seenByOthers: true,
      isClaimed: () => false,
      holder: () => 'another run',
      claimed: () => [],
      pass: async () => {},
    },
    state: openState(options.directory, { bootId: () => 'boot', log: { say } }),
    policy: { ...DEFAULT_POLICY, backend: 'nftables', ...options.policy },
    readDevice: (name) => devices.find((one) => one.name === name),
    isOwnScript: () => true,
    limitsGroups: () => options.limitsGroups === true,
    uplinkOf: () => options.uplink,
    hasVnetHeader: () => false,
    showsThisNetwork: () => true,
    deviceNames: () => devices.map((one) => one.name),
    callsHostFilter: () => false,
    netTable: (name) => options.networks?.[name] ?? '',
    disableIpv6: (name) => {
      effects.push(`disable-ipv6 ${name}`);
      return true;
    },
    readSetting: (path) => {
      throw new Error(`nobody asked for ${path} until now`);
    },
    writeSetting: (path) => {
      throw new Error(`nobody set ${path} until now`);
    },
    sleep: async () => {},
    bootId: () => 'boot',
    ticket: options.ticket ?? 10,
    now: () => '2026-01-01T00:00:00.000Z',
  };
  return { host, effects, log };
}

/** What a line for `ip -batch` makes of the devices, as far as the program looks at it again. */
function changed(devices: readonly Device[], line: string): readonly Device[] {
  const [, name, what = '', value = ''] = /^link set dev (\S+) (\S+)(?: (\S+))?$/.exec(line) ?? [];
  const changes: Readonly<Record<string, Partial<Device>>> = {
    up: { up: true },
    down: { up: false },
    name: { name: value },
    group: { group: Number(value) },
    master: { master: value },
    nomaster: { master: undefined },
  };
  return devices.map((one) => (one.name === name ? { ...one, ...changes[what] } : one));
}

function kernelThat(answers: 'takes' | 'refuses', effects: string[]): Rtnetlink {
  return async (request) => {
    effects.push(`rtnetlink ${Buffer.from(request).toString('hex')}`);
    return answers === 'takes';
  };
}
