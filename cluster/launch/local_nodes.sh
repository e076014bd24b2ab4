#!/usr/bin/env bash
# Several Ray nodes on this machine, to try a cluster without one: local_nodes.sh 3 [CPUs of each]
# Prints how to reach it; Ctrl-C, or the end of its standard input, ends all of it.
set -euo pipefail

count=${1:?how many nodes}
cpus=${2:-1}
here=$(cd "$(dirname "$0")" && pwd)
source "$here/environment.sh"
folder=$(mktemp -d "${TMPDIR:-/tmp}/metahp-nodes.XXXXXX")
python=${METAHP_PYTHON:-python}

"$python" -c "import secrets; print(secrets.token_hex(32))" >"$folder/token"
chmod 600 "$folder/token"
export RAY_AUTH_TOKEN_PATH="$folder/token"

exec "$python" "$here/local_nodes.py" "$count" "$cpus" "$folder"
