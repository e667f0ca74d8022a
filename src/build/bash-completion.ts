import { allCommands, type CommandShape, type ValueShape } from './command-shape.ts';

/** Completion for bash, which needs nothing of the package bash-completion besides being found by it. */
export function bashCompletion(program: CommandShape): string {
  const all = allCommands(program);
  return `# Completion of vif-bridge for bash. Made of its commands by npm run texts.

# Ports of guests: of stock names, and those that have one of our interface groups (1073741824 and up). A name of a
# device may hold whatever a shell takes for a command: such a one is not offered.
_vif_bridge_vifs() {
  local device group
  for device in /sys/class/net/*; do
    group=0
    [[ -r $device/netdev_group ]] && read -r group <"$device/netdev_group"
    device=\${device##*/}
    if [[ $device =~ ^[A-Za-z0-9._-]+$ ]] && { [[ $device == vif* ]] || ((group >= 1073741824)); }; then words+=("$device"); fi
  done
}

_vif_bridge_bridges() {
  local device
  for device in /sys/class/net/*/bridge; do
    device=\${device%/bridge}
    device=\${device##*/}
    if [[ $device =~ ^[A-Za-z0-9._-]+$ ]]; then words+=("$device"); fi
  done
}

_vif_bridge() {
  local current=\${COMP_WORDS[COMP_CWORD]} before='' name='' command='' index word things=''
  local -a words=() options=()
  ((COMP_CWORD > 0)) && before=\${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "\${command:+$command }\${COMP_WORDS[index]}" in
      ${all
        .filter(({ words }) => words.length > 0)
        .map(({ words }) => quoted(words.join(' ')))
        .join(' | ')})
        command=\${command:+$command }\${COMP_WORDS[index]} ;;
    esac
  done
  case $command in
${all.map(commandCase).join('\n')}
  esac
  # bash takes the = of name=value for a word of its own.
  if [[ $current == = ]]; then name=$before current=''; elif [[ $before == = ]]; then name=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  case \${name:-$before} in
${valuesOf(all).map(valueCase).join('\n')}
    *) if [[ -n $name ]]; then words=() options=() things=''; fi ;;
  esac
  case $name in
    vif) things=vifs ;;
    bridge) things=bridges ;;
    type_if) words=(vif tap) ;;
  esac
  if [[ $current == -* ]]; then words=("\${options[@]}") things=''; fi
  case $things in
    files)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      ;;
    vifs) _vif_bridge_vifs ;;
    bridges) _vif_bridge_bridges ;;
  esac
  for word in "\${words[@]}"; do
    if [[ $word == "$current"* ]]; then COMPREPLY+=("$word"); fi
  done
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _vif_bridge vif-bridge
`;
}

function commandCase({ words, commands, arguments: operands, options }: CommandShape): string {
  const values = operands.map(({ value }) => value);
  const offered = [
    ...commands.map((one) => one.words.at(-1) ?? ''),
    ...(words.length === 0 ? ['help'] : []),
    ...values.flatMap((value) => value.words),
  ];
  const things = values.map((value) => value.things).find((one) => one !== undefined) ?? '';
  const names = options.flatMap((one) => one.names).filter((name) => name.startsWith('--'));
  return [
    `    ${quoted(words.join(' '))})`,
    `      words=(${offered.map(quoted).join(' ')}) things=${quoted(things)}`,
    `      options=(${names.join(' ')})`,
    '      ;;',
  ].join('\n');
}

/** Options that are followed by something. One name means the same in every command. */
function valuesOf(all: readonly CommandShape[]): readonly (readonly [string, ValueShape])[] {
  const entries = all
    .flatMap(({ options }) => options)
    .flatMap(({ names, value }) => (value === undefined ? [] : names.map((name) => [name, value] as const)));
  return [...new Map(entries)];
}

function valueCase([name, value]: readonly [string, ValueShape]): string {
  return `    ${quoted(name)}) words=(${value.words.map(quoted).join(' ')}) things=${quoted(value.things ?? '')} options=() ;;`;
}

/** For a shell: what stands in single quotes means itself. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
