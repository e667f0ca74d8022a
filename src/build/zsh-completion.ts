import { quoted } from './bash-completion.ts';
import { allCommands, type CommandShape, type ValueShape } from './command-shape.ts';

/** Completion for zsh, by its function _arguments. */
export function zshCompletion(program: CommandShape): string {
  return `#compdef vif-bridge
# Completion of vif-bridge for zsh. Made of its commands by npm run texts.

_vif_bridge_vifs() {
  local device group
  local -a found
  for device in /sys/class/net/*(N); do
    group=0
    [[ -r $device/netdev_group ]] && read -r group <$device/netdev_group
    device=\${device:t}
    if [[ $device == vif* ]] || (( group >= 1073741824 )); then found+=($device); fi
  done
  compadd -a found
}

_vif_bridge_bridges() {
  local -a found
  found=(/sys/class/net/*/bridge(N:h:t))
  compadd -a found
}

${allCommands(program).map(commandFunction).join('\n\n')}

_vif_bridge "$@"
`;
}

/** One function for each command; it calls that of the command that was named. */
function commandFunction(shape: CommandShape): string {
  const { words, commands, arguments: operands, options } = shape;
  const places = options.map(({ names, description, value }) => {
    const said = `[${bracketed(description)}]${value === undefined ? '' : `:value:${action(value)}`}`;
    const [first = ''] = names;
    // zsh's own form for several names of one option.
    return names.length === 1 ? quoted(`${first}${said}`) : `{${names.join(',')}}${quoted(said)}`;
  });
  if (commands.length > 0) {
    const list = [
      ...commands.map((one) => `${one.words.at(-1)}:${one.description.replaceAll(':', '\\:')}`),
      ...(words.length === 0 ? ['help:display help for a command'] : []),
    ];
    const calls = commands.map((one) => `        ${one.words.at(-1)}) ${functionName(one)} ;;`);
    return `${functionName(shape)}() {
  local curcontext=$curcontext state line
  local -a commands
  commands=(
${list.map((one) => `    ${quoted(one)}`).join('\n')}
  )
  _arguments -C ${[...places, quoted('1: :->command'), quoted('*:: :->rest')].join(' \\\n    ')} && return
  case $state in
    command) _describe command commands ;;
    rest)
      case $line[1] in
${calls.join('\n')}
      esac
      ;;
  esac
}`;
  }
  const rest = operands.map(({ name, value, usage }, index) => {
    const place = usage.includes('...') ? '*' : String(index + 1);
    return quoted(`${place}:${name.replaceAll(':', '\\:')}:${action(value)}`);
  });
  return `${functionName(shape)}() {
  _arguments ${[...places, ...rest].join(' \\\n    ')}
}`;
}

function functionName({ words }: CommandShape): string {
  return ['_vif_bridge', ...words.map((word) => word.replaceAll('-', '_'))].join('_');
}

function action({ words, things }: ValueShape): string {
  if (things === 'files') return '_files';
  if (things !== undefined) return `_vif_bridge_${things}`;
  // compadd, because _arguments would take the = of name=value for something else; -S: no blank behind it.
  if (words.some((word) => word.endsWith('='))) return `compadd -S "" -- ${words.join(' ')}`;
  return words.length === 0 ? ' ' : `(${words.join(' ')})`;
}

function bracketed(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, '\\$&');
}
