import { type Command, Option } from 'commander';
import { type PortStatus, portStatus } from '../commands/status.ts';
import { FAILED, type Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import { type Environment, failureText, nonEmpty } from '../run.ts';
import { portsNamed } from '../vif/guest-ports.ts';
import {
  type CommonOptions,
  configOption,
  type End,
  FOREVER_MS,
  orTrouble,
  policyEvenIfBroken,
  TROUBLE,
  withAdminHost,
} from './common.ts';

interface StatusOptions extends CommonOptions {
  readonly sort?: string;
  readonly watch?: boolean;
  readonly nagios?: boolean;
  readonly reset?: boolean;
}

const EXAMPLES = `
Examples:
  vif-bridge status
  vif-bridge status web1 --json
  vif-bridge status --watch --sort drops
  vif-bridge status web1 --reset`;

/** `vif-bridge status` */
export function addStatusCommand(root: Command, env: Environment, end: End): void {
  root
    .command('status')
    .description(
      'ports, guests, addresses, what is open, and what was dropped for which reason; ends with 1 if a port is damaged, with 2 if that cannot be found out',
    )
    .argument('[vif]', 'only this one, or those of this guest')
    .option('--json', 'for programs')
    .option('--sort <by>', 'name, guest, drops (most first), since (latest first), state (worst first)', 'name')
    .addOption(new Option('--watch', 'redraw every two seconds until q, on a terminal').conflicts(['json', 'nagios']))
    .addOption(
      new Option(
        '--reset',
        'tell what was dropped once more, and count from now on; counters of the kernel stay',
      ).conflicts(['watch', 'nagios']),
    )
    .addOption(
      new Option(
        '--nagios',
        'one line for Nagios; ends with 0 OK, 1 WARNING (open), 2 CRITICAL (damaged), 3 UNKNOWN',
      ).conflicts('json'),
    )
    .addOption(configOption())
    .addHelpText('after', EXAMPLES)
    .action((vif: string | undefined, options: StatusOptions) => runStatus(vif, options, env, end));
}

async function runStatus(vif: string | undefined, options: StatusOptions, env: Environment, end: End): Promise<void> {
  if (options.nagios === true) return sayNagios(vif, options, env, end);
  const watches = options.watch === true && process.stdout.isTTY === true;
  // A port that is damaged is found; what cannot be found out is trouble.
  await orTrouble(end, () => sayStatus(vif, options, env, end, watches));
}

async function sayStatus(
  vif: string | undefined,
  options: StatusOptions,
  env: Environment,
  end: End,
  watches: boolean,
): Promise<void> {
  await withAdminHost(
    'status',
    options,
    env,
    async (host) => {
      if (watches) return watchStatus(host, vif, options);
      const counted = await countedPorts(host, vif);
      const ports = await shownPorts(host, counted, options);
      if (options.reset === true) {
        const { resetCounts } = await import('../commands/status-reset.ts');
        resetCounts(host, counted);
      }
      const { statusJson, statusText } = await import('../commands/status-text.ts');
      const text = options.json === true ? statusJson(ports) : statusText(ports, process.stdout.isTTY === true);
      process.stdout.write(text);
      if (ports.some(({ state }) => state === 'damaged')) end(FAILED);
      if (host.policy.broken !== undefined) await sayBroken(host.policy.broken, end);
      if (nonEmpty(env.VIF_BRIDGE_BUILDS) !== undefined) process.stderr.write(OTHER_BUILD);
    },
    { quick: true, policy: policyEvenIfBroken, ...(watches ? { deadlineMs: FOREVER_MS } : {}) },
  );
}

/** What runs was told all the same. */
async function sayBroken(failure: Failure, end: End): Promise<void> {
  process.stderr.write(`${await failureText(failure)}${BROKEN}`);
  end(TROUBLE);
}

const BROKEN = `note: vifs that run go on as they were loaded, and new ones stay closed until that is corrected
`;

async function portsOf(host: Host, vif: string | undefined, options: StatusOptions): Promise<PortStatus[]> {
  return shownPorts(host, await countedPorts(host, vif), options);
}

async function countedPorts(host: Host, vif: string | undefined): Promise<readonly PortStatus[]> {
  return portStatus(host, vif === undefined ? undefined : await portsNamed(host, vif));
}

async function shownPorts(
  host: Host,
  counted: readonly PortStatus[],
  { sort = 'name' }: StatusOptions,
): Promise<PortStatus[]> {
  const { sorted } = await import('../commands/status-view.ts');
  const { sinceReset } = await import('../commands/status-reset.ts');
  return sorted(sinceReset(host, counted), sort);
}

const REDRAW_MS = 2_000;

async function watchStatus(host: Host, vif: string | undefined, options: StatusOptions): Promise<void> {
  const { statusText } = await import('../commands/status-text.ts');
  const { openScreen } = await import('./screen.ts');
  const { pause } = await import('./pause.ts');
  // What cannot be found out is said where it can be read.
  let text = statusText(await portsOf(host, vif, options), true);
  const screen = openScreen(process.stdin, process.stdout);
  try {
    while (!screen.hasEnded()) {
      const began = Date.now();
      screen.draw(`${new Date().toISOString().slice(11, 19)} UTC   q ends\n\n${text}`);
      text = statusText(await portsOf(host, vif, options), true);
      const took = Date.now() - began;
      await pause(Math.max(REDRAW_MS - took, took), screen.ended);
    }
  } finally {
    screen.close();
  }
}

/** Whatever happens is one line on stdout, and a status that a monitor knows. */
async function sayNagios(vif: string | undefined, options: StatusOptions, env: Environment, end: End): Promise<void> {
  const { nagiosCheck, nagiosUnknown } = await import('../commands/nagios.ts');
  const say = ({ text, status }: ReturnType<typeof nagiosCheck>): void => {
    process.stdout.write(text);
    end(status);
  };
  try {
    await withAdminHost('status', options, env, async (host) => say(nagiosCheck(await portsOf(host, vif, options))), {
      quick: true,
    });
  } catch (thrown) {
    say(nagiosUnknown(thrown));
  }
}

/** What the launcher has found, and handed on. */
const OTHER_BUILD = `note: dist/vif-bridge is of another build than dist/vif-bridge.cjs, which runs in its place
hint: build it anew (npm run build:standalone), or remove it
`;
