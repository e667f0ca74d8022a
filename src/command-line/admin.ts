import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { AddressAction } from '../commands/address.ts';
import { type DropIns, dropIns } from '../commands/drop-in.ts';
import { nicsOf, refuseSharedMac } from '../commands/nic.ts';
import { reappliedText, throwFailures } from '../commands/reapplied.ts';
import { reapply } from '../commands/reapply.ts';
import {
  arrangeEnd,
  endlessText,
  endText,
  endUnlock,
  isLeftOpen,
  parseDuration,
  stillLocked,
  unlock,
} from '../commands/unlock.ts';
import { ownLauncher } from '../effects/own-script.ts';
import { asFailure, Failure, printable } from '../errors.ts';
import { DEFAULT_POLICY_FILE, type Environment, policyFile } from '../run.ts';
import { portNamed, portsNamed } from '../vif/guest-ports.ts';
import { type CommonOptions, configOption, type End, orTrouble, withAdminHost } from './common.ts';

interface UnlockOptions extends CommonOptions {
  readonly for?: string;
  readonly end?: boolean;
}

const UNLOCK_EXAMPLES = `
Examples:
  vif-bridge unlock web1 --for 10m
  vif-bridge unlock web1 --end`;

const ENDS = '\nEnds with 0, or with 2 if it could not be done: then all is as it was.\n';

/** Changes of one guest that runs: `unlock`, `address`. */
export function addAdminCommands(root: Command, env: Environment, end: End): void {
  root
    .command('unlock')
    .description('keep nothing from a vif, or from a guest, for some time; systemd ends it')
    .argument('<vif>', 'vif1.0, the name it was given, or the name of its guest')
    .addOption(new Option('--for <time>', '90s, 10m, 2h, 1d; at most 7d').conflicts('end'))
    .option('--end', 'end it now')
    .addOption(configOption())
    .addHelpText('after', `${ENDS}${UNLOCK_EXAMPLES}`)
    .action((word: string, options: UnlockOptions) => orTrouble(end, () => runUnlock(word, options, env)));
  const address = root.command('address').description('give a guest that runs one more address, or take one');
  for (const action of ['add', 'remove'] as const) {
    address
      .command(action)
      .description(
        action === 'add'
          ? 'give it, in xenstore or in the policy, and re-apply'
          : 'take it, where it was given, and re-apply',
      )
      .argument('<vif>', 'vif1.0, the name it was given, or the name of its guest')
      .argument('<address...>', '192.0.2.11, 198.51.100.0/28, 2001:db8::11')
      .addOption(configOption())
      .addHelpText('after', `${ENDS}\nExamples:\n  vif-bridge address ${action} web1 192.0.2.11 2001:db8::11`)
      .action((word: string, addresses: string[], options: CommonOptions) =>
        orTrouble(end, () => runAddress(action, word, addresses, options, env)),
      );
  }
}

function filesOf(options: CommonOptions, env: Environment): DropIns {
  return dropIns(policyFile(options, env) ?? DEFAULT_POLICY_FILE);
}

function say(text: string): void {
  process.stdout.write(printable(`${text}\n`));
}

/** With the policy as its files say it now. */
function reapplied(who: string, ports: readonly string[], options: CommonOptions, env: Environment): Promise<void> {
  return withAdminHost(who, options, env, async (host) => {
    const outcome = await reapply(host, ports);
    throwFailures(outcome);
    const { done, gone } = outcome;
    if (done.length === 0 && gone.length > 0) throw new Failure('missing', `gone meanwhile: ${gone.join(' ')}`);
    process.stdout.write(printable(reappliedText(outcome)));
  });
}

async function runUnlock(word: string, options: UnlockOptions, env: Environment): Promise<void> {
  if ((options.for === undefined) === (options.end !== true)) {
    throw new Failure('input', 'say for how long', { at: 'the command line', hint: '--for 10m, or --end' });
  }
  const seconds = options.for === undefined ? 0 : parseDuration(options.for);
  const files = filesOf(options, env);
  await withAdminHost('unlock', options, env, async (host) => {
    const nics = nicsOf(host, await portsNamed(host, word));
    const ports = nics.flatMap((nic) => nic.ports);
    if (options.end === true) {
      if (endUnlock(host, files, nics).length === 0 && !nics.some((nic) => isLeftOpen(host, nic))) {
        throw new Failure('missing', `${word} has not been unlocked by this command`, {
          hint: 'vif-bridge policy show says which line opens it',
        });
      }
      await reapplied('unlock', ports, options, env);
      return;
    }
    await refuseSharedMac(host, nics);
    const until = unlock(host, files, nics, seconds);
    try {
      await withAdminHost('unlock', options, env, async (now) => {
        const locked = stillLocked(now, nics);
        if (locked === undefined) return;
        throw new Failure('input', `another line of the policy decides about ${locked.record.name}`, {
          hint: `vif-bridge policy show ${locked.record.name}`,
        });
      });
      await reapplied('unlock', ports, options, env);
    } catch (error) {
      endUnlock(host, files, nics);
      throw error;
    }
    const config = policyFile(options, env);
    const given = config === undefined ? {} : { VIF_BRIDGE_CONFIG: resolve(config) };
    const run = { program: ownLauncher(), env: { ...env, ...given } };
    const by = await arrangeEnd(host, nics, until, run);
    say(`nothing is kept from ${ports.join(' ')} ${endText(until, by)}`);
    if (by === undefined) process.stderr.write(printable(endlessText(ports, until)));
  });
}

async function runAddress(
  action: AddressAction,
  word: string,
  addresses: readonly string[],
  options: CommonOptions,
  env: Environment,
): Promise<void> {
  const files = filesOf(options, env);
  await withAdminHost('address', options, env, async (host) => {
    const { editAddresses, whoseTheyAre } = await import('../commands/address.ts');
    const [nic] = nicsOf(host, [await portNamed(host, word)]);
    if (nic === undefined) throw new Failure('internal', `${word} is no NIC`);
    const edit = await editAddresses(host, files, nic, action, addresses);
    if (edit.where === undefined) return say(`${nic.ports.join(' ')} has ${edit.addresses.join(' ')} already`);
    try {
      if (action === 'add') {
        await withAdminHost('address', options, env, async (now) => {
          const warnings = await whoseTheyAre(now, nic, edit);
          // On a terminal the re-apply says it.
          if (process.stderr.isTTY === true) return;
          for (const text of warnings) process.stderr.write(printable(`warning: ${text}\n`));
        });
      }
      await reapplied('address', nic.ports, options, env);
    } catch (error) {
      await edit.undo();
      throw asFailure(error);
    }
    say(`${action === 'add' ? 'added' : 'removed'} ${edit.addresses.join(' ')} in ${edit.where}`);
  });
}
