#!/bin/sh
# What this project began with: a hotplug script that makes a vif's ebtables chains, one call after the other.
# Two vifs of a guest, or several guests at once, run it in parallel.
#
# usage: classic-vif.sh VIF MAC IPV4 IPV6
vif=$1 mac=$2 ip=$3 ip6=$4
failed=0
e() {
  ebtables "$@" || failed=$((failed + 1))
}

e -N "$vif-IN"
e -P "$vif-IN" DROP
e -N "$vif-OUT"
e -P "$vif-OUT" DROP

e -A "$vif-IN" -s ! "$mac" -j DROP
e -A "$vif-IN" -p ARP --arp-mac-src "$mac" --arp-ip-src "$ip" -j ACCEPT
e -A "$vif-IN" -p ARP --arp-mac-src "$mac" --arp-ip-src 0.0.0.0 -j ACCEPT
e -A "$vif-IN" -p IPv4 --ip-source "$ip" -j ACCEPT
e -A "$vif-IN" -p IPv4 --ip-source 0.0.0.0 --ip-protocol udp --ip-source-port 68 --ip-destination-port 67 -j ACCEPT
e -A "$vif-IN" -p IPv6 --ip6-source "$ip6" -j ACCEPT
e -A "$vif-IN" -p IPv6 --ip6-source fe80::/64 -j ACCEPT

e -A "$vif-OUT" -d Broadcast -j ACCEPT
e -A "$vif-OUT" -d Multicast -j ACCEPT
e -A "$vif-OUT" -d ! "$mac" -j DROP
e -A "$vif-OUT" -p ARP -j ACCEPT
e -A "$vif-OUT" -p IPv4 --ip-destination "$ip" -j ACCEPT
e -A "$vif-OUT" -p IPv6 --ip6-destination "$ip6" -j ACCEPT
e -A "$vif-OUT" -p IPv6 --ip6-destination fe80::/64 -j ACCEPT

e -A FORWARD -i "$vif" -j "$vif-IN"
e -A FORWARD -o "$vif" -j "$vif-OUT"
e -A INPUT -i "$vif" -j "$vif-IN"
e -A OUTPUT -o "$vif" -j "$vif-OUT"

[ "$failed" -eq 0 ]
