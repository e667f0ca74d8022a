import { allCommands, type CommandShape, type ValueShape } from './command-shape.ts';

/** Completion for fish: one line for each thing that may stand after the words of a command. */
export function fishCompletion(program: CommandShape): string {
  const all = allCommands(program);
  const known = all.filter(({ words }) => words.length > 0).map(({ words }) => quotedForFish(words.join(' ')));
  return `# Completion of vif-bridge for fish. Made of its commands by npm run texts.

# True after the words of this command, and before those of another.
function __vif_bridge_at
    set -l command ''
    for word in (commandline -opc)[2..-1]
        set -l longer (string trim -- "$command $word")
        contains -- $longer ${known.join(' ')}; and set command $longer
    end
    test "$command" = "$argv[1]"
end

function __vif_bridge_vifs
    for device in /sys/class/net/*
        set -l group 0
        test -r $device/netdev_group; and read group <$device/netdev_group
        set -l name (string replace -r '.*/' '' -- $device)
        if string match -q 'vif*' -- $name; or test "$group" -ge 1073741824
            echo $name
        end
    end
end

function __vif_bridge_bridges
    for device in /sys/class/net/*/bridge
        string replace -r '.*/([^/]+)/bridge$' '$1' -- $device
    end
end

complete -c vif-bridge -f
${all.flatMap(commandLines).join('\n')}
`;
}

function commandLines({ words, commands, arguments: operands, options }: CommandShape): string[] {
  const start = `complete -c vif-bridge -n ${quotedForFish(`__vif_bridge_at ${quotedForFish(words.join(' '))}`)}`;
  const described = (text: string): string => ` -d ${quotedForFish(text)}`;
  return [
    ...commands.map((one) => `${start} -a ${quotedForFish(one.words.at(-1) ?? '')}${described(one.description)}`),
    ...(words.length === 0 ? [`${start} -a help${described('display help for a command')}`] : []),
    ...operands.flatMap(({ value }) => (offer(value) === '' ? [] : [`${start}${offer(value)}`])),
    ...options.map(({ names, description, value }) => {
      const flags = names.map((name) => (name.startsWith('--') ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`));
      return `${start}${flags.join('')}${value === undefined ? '' : ` -r${offer(value)}`}${described(description)}`;
    }),
  ];
}

function offer({ words, things }: ValueShape): string {
  if (things === 'files') return ' -F';
  const named = [...words, ...(things === undefined ? [] : [`(__vif_bridge_${things})`])];
  return named.length === 0 ? '' : ` -a ${quotedForFish(named.join(' '))}`;
}

/** In single quotes fish knows two escapes. */
function quotedForFish(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
