import type { Command } from 'commander';
import { FAILED } from '../errors.ts';
import type { Host } from '../host.ts';
import { jsonText } from '../json/writer.ts';
import type { Environment } from '../run.ts';
import { portsNamed } from '../vif/guest-ports.ts';
import {
  type CommonOptions,
  configOption,
  type End,
  orTrouble,
  sayReapplied,
  TROUBLE,
  withAdminHost,
} from './common.ts';
import { whileWorking } from './progress.ts';

const VERIFY_HELP = `
It changes nothing. A line that begins with - says what is to be and is not,
one with + what is there instead. Ends with 0 if all is as policy and xenstore
say now, with 1 if something is not, with 2 if it cannot find out.

Examples:
  vif-bridge verify
  vif-bridge verify vif1.0 --json
  vif-bridge verify || vif-bridge repair`;

const REPAIR_HELP = `
What others have put into sets of ours, or told the bridge of a port, is taken
out; then rules and ports are made what policy and xenstore say now, without a
gap for what is right. Ends with 0, or with 2 if something could not be put
right.

Examples:
  vif-bridge repair
  vif-bridge repair vif1.0`;

/** `vif-bridge verify [VIF]` and `vif-bridge repair [VIF]` */
export function addVerifyCommands(root: Command, env: Environment, end: End): void {
  root
    .command('verify')
    .description('whether rules, ports and forwarding entries are what policy and xenstore say now; what differs')
    .argument('[vif]', 'only this one, or those of this guest')
    .option('--json', 'for programs')
    .addOption(configOption())
    .addHelpText('after', VERIFY_HELP)
    .action((vif: string | undefined, options: CommonOptions) =>
      orTrouble(end, () =>
        withAdminHost(
          'verify',
          options,
          env,
          async (host) => {
            const { hasTrouble, isWell, verify } = await import('../commands/verify.ts');
            const { verifiedJson, verifiedText } = await import('../commands/verify/text.ts');
            const found = await whileWorking(
              process.stderr,
              `comparing ${vif === undefined ? 'all vifs' : 'it'}`,
              async () => verify(host, await wanted(host, vif)),
            );
            const text =
              options.json === true
                ? jsonText(verifiedJson(found))
                : verifiedText(found, process.stdout.isTTY === true);
            process.stdout.write(text);
            end(hasTrouble(found) ? TROUBLE : isWell(found) ? 0 : FAILED);
          },
          { quick: true },
        ),
      ),
    );
  root
    .command('repair')
    .description('put right what verify finds, of every vif that this program has configured, and no other')
    .argument('[vif]', 'only this one, or those of this guest')
    .addOption(configOption())
    .addHelpText('after', REPAIR_HELP)
    .action((vif: string | undefined, options: CommonOptions) =>
      orTrouble(end, () =>
        withAdminHost('repair', options, env, async (host) => {
          const { repair } = await import('../commands/repair.ts');
          sayReapplied(
            await whileWorking(process.stderr, `repairing ${vif === undefined ? 'all vifs' : 'it'}`, async () =>
              repair(host, await wanted(host, vif)),
            ),
          );
        }),
      ),
    );
}

async function wanted(host: Host, word: string | undefined): Promise<readonly string[] | undefined> {
  return word === undefined ? undefined : portsNamed(host, word);
}
