#!/usr/bin/env bash
# A Ray cluster of several machines on this one (root, iproute2, util-linux). Every node has an address, a process tree,
# a host name and a private disk ($METAHP_NODES/private) of its own; everything else of the file system they share.
#
#   nodes.sh up 3                 the network of three nodes
#   nodes.sh start 0 [ray args]   ray start: node 0 is the head, the others join it
#   nodes.sh exec 0 COMMAND ...   runs a command in a node
#   nodes.sh raylet 2             pid of its raylet
#   nodes.sh kill 2               power loss: everything in the node dies at once
#   nodes.sh cut 2, mend 2        unplugs its network cable, and plugs it in again
#   nodes.sh down                 ends everything that was started
set -euo pipefail
dir=${METAHP_NODES:?a folder for logs and private disks}
name=mhp # mhp0, mhp1, ...; bridge mhpbr
net=10.78.0
port=6379
source "$(dirname "$0")/../../cluster/launch/environment.sh"

ip_of() { echo "$net.$((10 + $1))"; }
init_of() { cut -d' ' -f1 "/proc/$(cat "$dir/$1.pid")/task/$(cat "$dir/$1.pid")/children" 2>/dev/null; } # of the process tree
processes() {
  local space of
  space=$(readlink "/proc/$(init_of "$1")/ns/pid")
  for of in /proc/[0-9]*; do
    [ "$(readlink "$of/ns/pid" 2>/dev/null)" != "$space" ] || echo "${of#/proc/}"
  done
}

up() {
  mkdir -p "$dir/private" /tmp/ray
  # Without names that resolve at once, each ray start waits half a minute for a DNS server that cannot be reached.
  : >"$dir/resolv.conf"
  echo "127.0.0.1 localhost" >"$dir/hosts"
  ip link add "${name}br" type bridge
  ip link set "${name}br" up
  ip addr add "$net.1/24" dev "${name}br"
  for ((n = 0; n < $1; n++)); do
    echo "$(ip_of "$n") $name$n" >>"$dir/hosts"
    ip netns add "$name$n"
    ip link add "${name}v$n" type veth peer name eth0 netns "$name$n"
    ip link set "${name}v$n" master "${name}br" up
    ip -n "$name$n" link set lo up
    ip -n "$name$n" link set eth0 up
    ip -n "$name$n" addr add "$(ip_of "$n")/24" dev eth0
  done
}

start() {
  local n=$1 role
  shift
  role=(--address="$(ip_of 0):$port")
  [ "$n" != 0 ] || role=(--head --port="$port" --include-dashboard=false)
  mkdir -p "$dir/$n/ray" "$dir/$n/private"
  cat >"$dir/$n.boot" <<BOOT
hostname $name$n
mount --bind $dir/$n/ray /tmp/ray
mount --bind $dir/$n/private $dir/private
mount --bind $dir/hosts /etc/hosts
mount --bind $dir/resolv.conf /etc/resolv.conf
ray start --block "\$@" &
wait \$!
BOOT
  setsid ip netns exec "$name$n" unshare --pid --fork --mount --uts --mount-proc --propagation private \
    --kill-child=KILL bash -e "$dir/$n.boot" "${role[@]}" --node-ip-address="$(ip_of "$n")" \
    --object-store-memory=150000000 "$@" >"$dir/$n.log" 2>&1 </dev/null &
  echo $! >"$dir/$n.pid"
  for ((wait = 0; wait < 300; wait++)); do
    ! grep -qs "Ray runtime started" "$dir/$n.log" || return 0
    sleep 0.2
  done
  cat "$dir/$n.log" >&2
  return 1
}

down() {
  shopt -s nullglob
  for file in "$dir"/*.pid; do
    kill -9 "$(init_of "$(basename "$file" .pid)")" 2>/dev/null || true
  done
  for space in $(ip netns list | awk '{print $1}' | grep -E "^${name}[0-9]+$" || true); do
    ip link del "${space/#$name/${name}v}" 2>/dev/null || true # else it stays for as long as the kernel holds a socket
    ip netns del "$space"
  done
  ip link del "${name}br" 2>/dev/null || true
}

command=$1
shift
case $command in
up | start | down) "$command" "$@" ;;
exec)
  node=$1
  shift
  exec nsenter -t "$(init_of "$node")" -n -m -p -u -- "$@"
  ;;
raylet) for pid in $(processes "$1"); do [ "$(cat "/proc/$pid/comm")" != raylet ] || echo "$pid"; done ;;
kill) kill -9 "$(init_of "$1")" ;;
cut) ip link set "${name}v$1" down ;;
mend) ip link set "${name}v$1" up ;;
*) echo "unknown: $command" >&2 && exit 2 ;;
esac
