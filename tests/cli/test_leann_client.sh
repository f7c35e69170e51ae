#!/usr/bin/env bash
# test_leann_client.sh – on demand: LEANN 0.3.8 (PyPI), unchanged, recomputes through our server. It needs the network once, and a model:
#   LEANN_CLIENT=1 bash tests/cli/test_leann_client.sh      (LEANN_BIN: the program)
# SPDX-License-Identifier: MIT
set -u
if [ "${LEANN_CLIENT:-}" != 1 ]; then
    echo "SKIPPED, NOTHING WAS TESTED: LEANN 0.3.8's own client against our embedding server. Set LEANN_CLIENT=1 to run it (scripts/leann-client)."
    exit 0
fi
exec "$(dirname "$0")/../../scripts/leann-client" --leann "${LEANN_BIN:?}"
