import { hostname } from 'node:os';
import { type Command, Option } from 'commander';
import { replaceFile } from '../effects/replace-file.ts';
import { jsonText } from '../json/writer.ts';
import type { Environment } from '../run.ts';
import {
  type CommonOptions,
  collect,
  configOption,
  type End,
  FOREVER_MS,
  orTrouble,
  policyEvenIfBroken,
  withAdminHost,
} from './common.ts';
import type { LogOptions } from './log.ts';
import { progressOn } from './progress.ts';
import type { SelfTestOptions } from './self-test.ts';
import type { WatchOptions } from './watch.ts';

interface MetricsOptions extends CommonOptions {
  readonly output?: string;
}

/** Commands that look at a host that runs: `metrics`, `doctor`, `watch`, `log`, `self-test`. */
export function addOperateCommands(root: Command, env: Environment, version: string, end: End): void {
  root
    .command('metrics')
    .description('this host for Prometheus (OpenMetrics): for the textfile collector of node_exporter')
    .option('--output <file>', 'replace this file in one step, for example /var/lib/prometheus/node-exporter/x.prom')
    .addOption(configOption())
    .addHelpText('after', METRICS_EXAMPLES)
    .action((options: MetricsOptions) =>
      orTrouble(end, () =>
        withAdminHost('metrics', options, env, async (host) => {
          const { metrics } = await import('../commands/metrics.ts');
          const text = await metrics(host, { host: hostname(), version });
          if (options.output === undefined) process.stdout.write(text);
          else replaceFile(options.output, text);
        }),
      ),
    );
  root
    .command('doctor')
    .description('what on this host will bite: what it is, why it matters, and the command that puts it right')
    .option('--json', 'for programs')
    .addOption(configOption())
    .addHelpText('after', DOCTOR_STATUS)
    .action((options: CommonOptions) =>
      orTrouble(end, () =>
        withAdminHost(
          'doctor',
          options,
          env,
          async (host) => {
            const { diagnosisStatus, diagnosisText, doctor } = await import('../commands/doctor.ts');
            const progress = progressOn(process.stderr);
            const diagnosis = await doctor(host, progress.say).finally(progress.end);
            const text =
              options.json === true ? jsonText(diagnosis) : diagnosisText(diagnosis, process.stdout.isTTY === true);
            process.stdout.write(text);
            end(diagnosisStatus(diagnosis));
          },
          { policy: policyEvenIfBroken },
        ),
      ),
    );
  root
    .command('watch')
    .description('who is spoofing now: frames dropped a second, by vif and reason, what they claim and whose that is')
    .option('--once', 'look for one interval, say what was dropped, and end')
    .option('--interval <seconds>', 'from one look to the next', '1')
    .option('--json', 'for programs; as with --once')
    .addOption(configOption())
    .addHelpText('after', WATCH_HELP)
    .action((options: WatchOptions) =>
      orTrouble(end, () =>
        withAdminHost(
          'watch',
          options,
          env,
          async (host) => {
            const { runWatch } = await import('./watch.ts');
            await runWatch(host, options, end);
          },
          { deadlineMs: FOREVER_MS },
        ),
      ),
    );
  root
    .command('self-test')
    .description(
      'whether it holds here: 126 frames through a private bridge, with this kernel, these tools, this policy',
    )
    .option('--bridge <name>', 'make the private bridge like this one (default: the first one there is)')
    .addOption(new Option('--inside <like>').hideHelp())
    .option('--json', 'for programs')
    .addOption(configOption())
    .addHelpText('after', SELF_TEST_HELP)
    .action((options: SelfTestOptions) =>
      orTrouble(end, () =>
        withAdminHost('self-test', options, env, async (host) => {
          const { runSelfTest } = await import('./self-test.ts');
          await runSelfTest(host, options, env, end);
        }),
      ),
    );
  root
    .command('log')
    .description('a line for each frame of a guest that is dropped, while it listens: who claimed which address when')
    .argument('[vif...]', 'only these, or those of these guests (default: all of this host)')
    .option('-f, --follow', 'go on until Ctrl-C')
    .option('--seconds <seconds>', 'listen so long', '10')
    .option('--reason <reason>', 'only this one (repeatable)', collect, [])
    .option('--syslog', 'to syslog too')
    .option('--json', 'for programs: an object a line')
    .addOption(configOption())
    .addHelpText('after', LOG_HELP)
    .action((vifs: string[], options: LogOptions) =>
      orTrouble(end, () =>
        withAdminHost(
          'log',
          options,
          env,
          async (host) => {
            const { runLog } = await import('./log.ts');
            await runLog(host, vifs, options, end);
          },
          { deadlineMs: FOREVER_MS },
        ),
      ),
    );
}

const LOG_HELP = `
It listens by tcpdump at the ports, and judges each frame as explain does;
nothing is logged, and nobody pays for it, at any other time. A flood is ten
lines, and then one a second with how many more there were. Ends with 0, with 1
if frames were dropped (without --follow), with 2 if it could not listen.

Examples:
  vif-bridge log web1
  vif-bridge log --follow --reason arp-spa --syslog`;

const SELF_TEST_HELP = `
The bridge is in a network of its own, which is gone with the process that is
in it; nothing of this host is touched. Needs root and unshare (util-linux);
the form for Node also perl. Ends with 0 if all frames fared as they must, with
1 if one did not, with 2 if the test could not be made.

Examples:
  vif-bridge self-test
  vif-bridge self-test --bridge xenbr0 --json`;

const WATCH_HELP = `
On a terminal it goes on until q or Ctrl-C. Elsewhere, and with --once, it
ends: with 0 if nobody pretends to be another, with 1 if somebody does, with 2
if it cannot find out. What is claimed is read by tcpdump, if that is
installed.

Examples:
  vif-bridge watch
  vif-bridge watch --once --interval 5 --json`;

const DOCTOR_STATUS = `
It changes nothing. Ends with 0 if there is nothing but notes, with 1 if there
is a warning or an error, with 2 if something could not be looked at.

Examples:
  vif-bridge doctor
  vif-bridge doctor --json`;

const METRICS_EXAMPLES = `
Ends with 0, or with 2 if it cannot find out; the file then stays as it was.

Examples:
  vif-bridge metrics
  vif-bridge metrics \\
    --output /var/lib/prometheus/node-exporter/xen-vif-bridge.prom`;
