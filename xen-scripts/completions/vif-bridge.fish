# Completion of vif-bridge for fish. Made of its commands by npm run texts.

# True after the words of this command, and before those of another.
function __vif_bridge_at
    set -l command ''
    for word in (commandline -opc)[2..-1]
        set -l longer (string trim -- "$command $word")
        contains -- $longer 'online' 'offline' 'add' 'remove' 'reapply' 'verify' 'repair' 'status' 'policy' 'policy check' 'policy show' 'policy keys' 'guest-config' 'explain' 'rules' 'rules check' 'rules show' 'rules test' 'metrics' 'doctor' 'watch' 'self-test' 'nwfilter' 'nwfilter check'; and set command $longer
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
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'online' -d 'configure a vif and join it to its bridge'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'offline' -d 'take a vif off its bridge and remove its rules'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'add' -d 'the same for the tap of an emulated NIC (type_if=tap)'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'remove' -d 'the same for the tap of an emulated NIC (type_if=tap)'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'reapply' -d 'load the filter of running vifs again, without a gap; takes over vifs that run without it'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'verify' -d 'whether rules, ports and forwarding entries are what policy and xenstore say now; what differs'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'repair' -d 'put right what verify finds, of every vif that this program has configured, and no other'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'status' -d 'ports, guests, addresses, what is open, and what was dropped for which reason; ends with 1 if a port is damaged'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'policy' -d 'what the policy files say, and whether they can be followed'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'guest-config' -d 'what to put into a guest, so that all its addresses work: for one vif, or all vifs of a guest'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'explain' -d 'what a vif may send and hear, what is dropped and why; or what becomes of a frame'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'rules' -d 'which packets of its own a guest may send and hear'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'metrics' -d 'this host for Prometheus (OpenMetrics): for the textfile collector of node_exporter'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'doctor' -d 'what on this host will bite: what it is, why it matters, and the command that puts it right'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'watch' -d 'who is spoofing now: frames dropped a second, by vif and reason, what they claim and whose that is'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'self-test' -d 'whether it holds here: 126 frames through a private bridge, with this kernel, these tools, this policy'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a 'nwfilter' -d 'libvirt\'s filters: whether they can be followed'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -a help -d 'display help for a command'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -s V -l version -d 'output the version number'
complete -c vif-bridge -n '__vif_bridge_at \'\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'online\'' -a 'vif= bridge= ip= mac= vifname= type_if='
complete -c vif-bridge -n '__vif_bridge_at \'online\'' -l dry-run -d 'print what would be done, change nothing'
complete -c vif-bridge -n '__vif_bridge_at \'online\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'online\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'offline\'' -a 'vif= bridge= ip= mac= vifname= type_if='
complete -c vif-bridge -n '__vif_bridge_at \'offline\'' -l dry-run -d 'print what would be done, change nothing'
complete -c vif-bridge -n '__vif_bridge_at \'offline\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'offline\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'add\'' -a 'vif= bridge= ip= mac= vifname= type_if='
complete -c vif-bridge -n '__vif_bridge_at \'add\'' -l dry-run -d 'print what would be done, change nothing'
complete -c vif-bridge -n '__vif_bridge_at \'add\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'add\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'remove\'' -a 'vif= bridge= ip= mac= vifname= type_if='
complete -c vif-bridge -n '__vif_bridge_at \'remove\'' -l dry-run -d 'print what would be done, change nothing'
complete -c vif-bridge -n '__vif_bridge_at \'remove\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'remove\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'reapply\'' -a '(__vif_bridge_vifs)'
complete -c vif-bridge -n '__vif_bridge_at \'reapply\'' -l dry-run -d 'print what would be done, change nothing'
complete -c vif-bridge -n '__vif_bridge_at \'reapply\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'reapply\'' -l all -d 'every vif of this host'
complete -c vif-bridge -n '__vif_bridge_at \'reapply\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'verify\'' -a '(__vif_bridge_vifs)'
complete -c vif-bridge -n '__vif_bridge_at \'verify\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'verify\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'verify\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'repair\'' -a '(__vif_bridge_vifs)'
complete -c vif-bridge -n '__vif_bridge_at \'repair\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'repair\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'status\'' -a '(__vif_bridge_vifs)'
complete -c vif-bridge -n '__vif_bridge_at \'status\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'status\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'status\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'policy\'' -a 'check' -d 'all that is wrong with the policy; ends with 1 if anything is, with 2 if it cannot be read'
complete -c vif-bridge -n '__vif_bridge_at \'policy\'' -a 'show' -d 'what holds for a vif, and which line says so'
complete -c vif-bridge -n '__vif_bridge_at \'policy\'' -a 'keys' -d 'every key: what it is without a file, and what it may be'
complete -c vif-bridge -n '__vif_bridge_at \'policy\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'policy check\'' -F
complete -c vif-bridge -n '__vif_bridge_at \'policy check\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'policy check\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'policy check\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'policy show\'' -a '(__vif_bridge_vifs)'
complete -c vif-bridge -n '__vif_bridge_at \'policy show\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'policy show\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'policy show\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'policy keys\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'policy keys\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'guest-config\'' -a 'in out (__vif_bridge_vifs)'
complete -c vif-bridge -n '__vif_bridge_at \'guest-config\'' -l format -r -d 'ip, ifupdown, networkd, netplan, nm, cloud-init'
complete -c vif-bridge -n '__vif_bridge_at \'guest-config\'' -l gateway -r -d 'router of IPv4, or of IPv6 (fe80::1 unless told); twice for both'
complete -c vif-bridge -n '__vif_bridge_at \'guest-config\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'guest-config\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'guest-config\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'explain\'' -a '(__vif_bridge_vifs)'
complete -c vif-bridge -n '__vif_bridge_at \'explain\'' -l frame -r -d 'a frame, from its destination MAC on (repeatable)'
complete -c vif-bridge -n '__vif_bridge_at \'explain\'' -l pcap -r -F -d 'every frame of a capture, pcap or pcapng; - reads from a pipe'
complete -c vif-bridge -n '__vif_bridge_at \'explain\'' -l direction -r -a 'from-guest to-guest' -d 'whether the guest sends it, or it is for the guest'
complete -c vif-bridge -n '__vif_bridge_at \'explain\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'explain\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'explain\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'rules\'' -a 'check' -d 'all that is wrong with the policy; ends with 1 if anything is, with 2 if it cannot be read'
complete -c vif-bridge -n '__vif_bridge_at \'rules\'' -a 'show' -d 'the rules of a vif, numbered as in the log, where each is written, and what it has counted'
complete -c vif-bridge -n '__vif_bridge_at \'rules\'' -a 'test' -d 'what becomes of a packet, and which line says so: rules test vif1.0 in tcp 203.0.113.9:4711 192.0.2.5:22'
complete -c vif-bridge -n '__vif_bridge_at \'rules\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'rules check\'' -F
complete -c vif-bridge -n '__vif_bridge_at \'rules check\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'rules check\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'rules check\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'rules show\'' -a '(__vif_bridge_vifs)'
complete -c vif-bridge -n '__vif_bridge_at \'rules show\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'rules show\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'rules show\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'rules test\'' -a 'in out (__vif_bridge_vifs)'
complete -c vif-bridge -n '__vif_bridge_at \'rules test\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'rules test\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'rules test\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'metrics\'' -l output -r -F -d 'replace this file in one step, for example /var/lib/prometheus/node-exporter/x.prom'
complete -c vif-bridge -n '__vif_bridge_at \'metrics\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'metrics\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'doctor\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'doctor\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'doctor\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'watch\'' -l once -d 'look for one interval, say what was dropped, and end'
complete -c vif-bridge -n '__vif_bridge_at \'watch\'' -l interval -r -d 'from one look to the next'
complete -c vif-bridge -n '__vif_bridge_at \'watch\'' -l json -d 'for programs; as with --once'
complete -c vif-bridge -n '__vif_bridge_at \'watch\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'watch\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'self-test\'' -l bridge -r -d 'make the private bridge like this one (default: the first one there is)'
complete -c vif-bridge -n '__vif_bridge_at \'self-test\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'self-test\'' -l config -r -F -d 'policy file (default: $VIF_BRIDGE_CONFIG, or /etc/xen/vif-bridge.ini)'
complete -c vif-bridge -n '__vif_bridge_at \'self-test\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'nwfilter\'' -a 'check' -d 'whether filters can be followed; ends with 1 if one is refused, with 2 if one cannot be read'
complete -c vif-bridge -n '__vif_bridge_at \'nwfilter\'' -s h -l help -d 'display help for command'
complete -c vif-bridge -n '__vif_bridge_at \'nwfilter check\'' -F
complete -c vif-bridge -n '__vif_bridge_at \'nwfilter check\'' -l json -d 'for programs'
complete -c vif-bridge -n '__vif_bridge_at \'nwfilter check\'' -s h -l help -d 'display help for command'
