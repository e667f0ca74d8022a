import { Argument, type Command, Option } from 'commander';
import { guestConfig, guestVifsByHand, guestVifsNamed, parseGateways } from '../commands/guest-config.ts';
import { didYouMean } from '../did-you-mean.ts';
import { Failure, shown } from '../errors.ts';
import { GUEST_FORMATS, type GuestFormat, isGuestFormat } from '../guest/format.ts';
import { type Environment, policyOf } from '../run.ts';
import { isAssignment } from '../xen/hotplug-call.ts';
import { type CommonOptions, collect, configOption, type End, orTrouble, say, withAdminHost } from './common.ts';

interface GuestOptions extends CommonOptions {
  readonly format: string;
  readonly gateway: readonly string[];
}

/** `vif-bridge guest-config` */
export function addGuestCommands(root: Command, env: Environment, end: End): void {
  root
    .command('guest-config')
    .description('what to put into a guest, so that all its addresses work: for one vif, or all vifs of a guest')
    .addArgument(
      new Argument(
        '<words...>',
        'vif1.0, the name of a guest, or by hand: vif= mac= ip= (several: each begins with its vif=)',
      ),
    )
    .addOption(new Option('--format <format>', Object.keys(GUEST_FORMATS).join(', ')).default('ip'))
    .addOption(
      new Option('--gateway <address>', 'router of IPv4, or of IPv6 (fe80::1 unless told); twice for both')
        .argParser(collect)
        .default([], 'that of this host on the bridge'),
    )
    .option('--json', 'for programs')
    .addOption(configOption())
    .action((words: string[], options: GuestOptions) => orTrouble(end, () => run(words, options, env, end)));
}

async function run(words: readonly string[], options: GuestOptions, env: Environment, end: End): Promise<void> {
  const format = formatOf(options.format);
  const gateways = parseGateways(options.gateway);
  const [name = '', ...more] = words;
  if (words.some(isAssignment)) {
    const vifs = guestVifsByHand(await policyOf(options, env), words, gateways, new Date().toISOString());
    say(options, guestConfig(vifs, format), end);
    return;
  }
  if (more.length > 0) {
    throw new Failure('input', `${shown(more[0] ?? '')} is one too many`, {
      at: 'the command line',
      hint: 'name one vif, or the guest for all of them',
    });
  }
  await withAdminHost('guest-config', options, env, async (host) =>
    say(options, guestConfig(await guestVifsNamed(host, name, gateways), format), end),
  );
}

function formatOf(word: string): GuestFormat {
  if (isGuestFormat(word)) return word;
  const known = Object.keys(GUEST_FORMATS);
  const meant = didYouMean(word, known);
  throw new Failure('input', `there is no format ${shown(word)}`, {
    at: '--format',
    hint: meant === undefined ? `the formats are ${known.join(', ')}` : `did you mean ${meant}?`,
  });
}
