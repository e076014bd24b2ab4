#!/usr/bin/env bash
# Several Ray nodes on this machine, to try a cluster without one: local_nodes.sh 3 [CPUs of each] [-- command ...]
# With a command, e.g. `metahp run sweep.yaml` or `metahp submit sweep.yaml`, it lives as long as that one, and ends with
# its exit code. GPUS=2 before it gives each node two GPUs, as far as Ray knows; else they have none.
# Else it prints how to reach it; Ctrl-C, or the end of its standard input, ends all of it.
set -euo pipefail

count=${1:?how many nodes}
shift
cpus=1
[[ ${1:---} = -- ]] || { cpus=$1 && shift; }
[[ ${1:-} != -- ]] || shift
source "$(dirname "$0")/environment.sh"
# Folder and ports are its own, so that it can live beside other clusters; the name is short, it holds Unix sockets.
folder=$(mktemp -d /tmp/rayXXXXXX)
free_port() { python3 -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"; }
port=$(free_port)
dashboard=$(free_port)

python3 -c "import secrets; print(secrets.token_hex(32))" >"$folder/token"
chmod 600 "$folder/token"
export RAY_AUTH_TOKEN_PATH="$folder/token"

end() {
  kill "${nodes[@]}" 2>/dev/null || true
  wait "${nodes[@]}" 2>/dev/null || true
  rm -rf "$folder"
}
nodes=()
trap end EXIT
trap exit INT TERM

start() { # each node ends what it has started
  ray start --block --node-ip-address=127.0.0.1 --num-cpus="$cpus" --num-gpus="${GPUS:-0}" --dashboard-agent-listen-port=0 "$@" \
    </dev/null >>"$folder/log" 2>&1 &
  nodes+=($!)
}
wait_for() { # how many nodes; a minute at most
  timeout 60 python3 -c "
import ray, time
ray.init(address='127.0.0.1:$port', logging_level='error')
while sum(node['Alive'] for node in ray.nodes()) < $1: time.sleep(0.2)
" >>"$folder/log" 2>&1
}

start --head --port="$port" --dashboard-port="$dashboard" --temp-dir="$folder"
until timeout 20 ray health-check --address="127.0.0.1:$port" >/dev/null 2>&1; do
  kill -0 "${nodes[0]}" || { cat "$folder/log" >&2; exit 1; }
  sleep 0.5
done
for ((node = 2; node <= count; node++)); do # one after another: raylets of one machine that start at once can time out
  start --address="127.0.0.1:$port"
  wait_for "$node" || { cat "$folder/log" >&2; exit 1; }
done
for ((tries = 0; tries < 240; tries++)); do # jobs need the dashboard, which comes up last
  ! (: <>"/dev/tcp/127.0.0.1/$dashboard") 2>/dev/null || break
  sleep 0.5
done
reach=(RAY_ADDRESS="127.0.0.1:$port" RAY_API_SERVER_ADDRESS="http://127.0.0.1:$dashboard")
if (($#)); then
  export "${reach[@]}"
  "$@" && exit || exit
fi
echo "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$folder/token ${reach[0]}"
echo "export ${reach[1]}"
cat >/dev/null
