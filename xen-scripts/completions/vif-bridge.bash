# Completion of vif-bridge for bash. Made of its commands by npm run texts.

# Ports of guests: of stock names, and those that have one of our interface groups (1073741824 and up). A name of a
# device may hold whatever a shell takes for a command: such a one is not offered.
_vif_bridge_vifs() {
  local device group
  for device in /sys/class/net/*; do
    group=0
    [[ -r $device/netdev_group ]] && read -r group <"$device/netdev_group"
    device=${device##*/}
    if [[ $device =~ ^[A-Za-z0-9._-]+$ ]] && { [[ $device == vif* ]] || ((group >= 1073741824)); }; then words+=("$device"); fi
  done
}

_vif_bridge_bridges() {
  local device
  for device in /sys/class/net/*/bridge; do
    device=${device%/bridge}
    device=${device##*/}
    if [[ $device =~ ^[A-Za-z0-9._-]+$ ]]; then words+=("$device"); fi
  done
}

_vif_bridge() {
  local current=${COMP_WORDS[COMP_CWORD]} before='' name='' command='' index word things=''
  local -a words=() options=()
  ((COMP_CWORD > 0)) && before=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "${command:+$command }${COMP_WORDS[index]}" in
      'online' | 'offline' | 'add' | 'remove' | 'reapply' | 'verify' | 'repair' | 'status' | 'policy' | 'policy check' | 'policy show' | 'policy keys' | 'guest-config' | 'explain' | 'install' | 'uninstall' | 'rules' | 'rules check' | 'rules show' | 'rules test' | 'unlock' | 'address' | 'address add' | 'address remove' | 'metrics' | 'doctor' | 'watch' | 'self-test' | 'log' | 'nwfilter' | 'nwfilter show' | 'nwfilter check')
        command=${command:+$command }${COMP_WORDS[index]} ;;
    esac
  done
  case $command in
    '')
      words=('online' 'offline' 'add' 'remove' 'reapply' 'verify' 'repair' 'status' 'policy' 'guest-config' 'explain' 'install' 'uninstall' 'rules' 'unlock' 'address' 'metrics' 'doctor' 'watch' 'self-test' 'log' 'nwfilter' 'help') things=''
      options=(--version --help)
      ;;
    'online')
      words=('vif=' 'bridge=' 'ip=' 'mac=' 'vifname=' 'type_if=') things=''
      options=(--dry-run --config --help)
      ;;
    'offline')
      words=('vif=' 'bridge=' 'ip=' 'mac=' 'vifname=' 'type_if=') things=''
      options=(--dry-run --config --help)
      ;;
    'add')
      words=('vif=' 'bridge=' 'ip=' 'mac=' 'vifname=' 'type_if=') things=''
      options=(--dry-run --config --help)
      ;;
    'remove')
      words=('vif=' 'bridge=' 'ip=' 'mac=' 'vifname=' 'type_if=') things=''
      options=(--dry-run --config --help)
      ;;
    'reapply')
      words=() things='vifs'
      options=(--dry-run --config --all --help)
      ;;
    'verify')
      words=() things='vifs'
      options=(--json --config --help)
      ;;
    'repair')
      words=() things='vifs'
      options=(--config --help)
      ;;
    'status')
      words=() things='vifs'
      options=(--json --sort --watch --reset --nagios --config --help)
      ;;
    'policy')
      words=('check' 'show' 'keys') things=''
      options=(--help)
      ;;
    'policy check')
      words=() things='files'
      options=(--json --config --help)
      ;;
    'policy show')
      words=() things='vifs'
      options=(--json --config --help)
      ;;
    'policy keys')
      words=() things=''
      options=(--json --help)
      ;;
    'guest-config')
      words=('in' 'out') things='vifs'
      options=(--format --gateway --json --config --help)
      ;;
    'explain')
      words=() things='vifs'
      options=(--frame --pcap --direction --json --config --help)
      ;;
    'install')
      words=() things=''
      options=(--dry-run --prefix --root --xl-conf --help)
      ;;
    'uninstall')
      words=() things=''
      options=(--dry-run --prefix --root --help)
      ;;
    'rules')
      words=('check' 'show' 'test') things=''
      options=(--help)
      ;;
    'rules check')
      words=() things='files'
      options=(--json --config --help)
      ;;
    'rules show')
      words=() things='vifs'
      options=(--json --config --help)
      ;;
    'rules test')
      words=('in' 'out') things='vifs'
      options=(--json --config --help)
      ;;
    'unlock')
      words=() things='vifs'
      options=(--for --end --config --help)
      ;;
    'address')
      words=('add' 'remove') things=''
      options=(--help)
      ;;
    'address add')
      words=() things='vifs'
      options=(--config --help)
      ;;
    'address remove')
      words=() things='vifs'
      options=(--config --help)
      ;;
    'metrics')
      words=() things=''
      options=(--output --config --help)
      ;;
    'doctor')
      words=() things=''
      options=(--json --config --help)
      ;;
    'watch')
      words=() things=''
      options=(--once --interval --json --config --help)
      ;;
    'self-test')
      words=() things=''
      options=(--bridge --json --config --help)
      ;;
    'log')
      words=() things='vifs'
      options=(--follow --seconds --reason --syslog --json --config --help)
      ;;
    'nwfilter')
      words=('show' 'check') things=''
      options=(--help)
      ;;
    'nwfilter show')
      words=() things=''
      options=(--native --dir --json --config --help)
      ;;
    'nwfilter check')
      words=() things='files'
      options=(--json --help)
      ;;
  esac
  # bash takes the = of name=value for a word of its own.
  if [[ $current == = ]]; then name=$before current=''; elif [[ $before == = ]]; then name=${COMP_WORDS[COMP_CWORD - 2]}; fi
  case ${name:-$before} in
    '--config') words=() things='files' options=() ;;
    '--sort') words=() things='' options=() ;;
    '--format') words=() things='' options=() ;;
    '--gateway') words=() things='' options=() ;;
    '--frame') words=() things='' options=() ;;
    '--pcap') words=() things='files' options=() ;;
    '--direction') words=('from-guest' 'to-guest') things='' options=() ;;
    '--prefix') words=() things='files' options=() ;;
    '--root') words=() things='files' options=() ;;
    '--for') words=() things='' options=() ;;
    '--output') words=() things='files' options=() ;;
    '--interval') words=() things='' options=() ;;
    '--bridge') words=() things='' options=() ;;
    '--seconds') words=() things='' options=() ;;
    '--reason') words=() things='' options=() ;;
    '--dir') words=() things='files' options=() ;;
    *) if [[ -n $name ]]; then words=() options=() things=''; fi ;;
  esac
  case $name in
    vif) things=vifs ;;
    bridge) things=bridges ;;
    type_if) words=(vif tap) ;;
  esac
  if [[ $current == -* ]]; then words=("${options[@]}") things=''; fi
  case $things in
    files)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      ;;
    vifs) _vif_bridge_vifs ;;
    bridges) _vif_bridge_bridges ;;
  esac
  for word in "${words[@]}"; do
    if [[ $word == "$current"* ]]; then COMPREPLY+=("$word"); fi
  done
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _vif_bridge vif-bridge
