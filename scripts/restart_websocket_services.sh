#!/bin/sh
# The old name, the new tool: restarts the stream and its proxy (or the services named), and waits until both serve.
# What `test_health.py` told, `sentinel status trade_stream browser_proxy` tells.
set -eu
here=$(dirname "$0")
[ $# -gt 0 ] || set -- trade_stream browser_proxy
# Without a supervisor there is nothing to restart: then all is started, which the stream needs anyway.
if "$here/restart" --quiet status >/dev/null 2>&1 || [ $? -ne 4 ]; then
    "$here/restart" restart "$@"
else
    "$here/restart" start
fi
code=0
"$here/restart" status --verbose "$@" || code=$?
echo "follow their output: $here/restart logs $* -f"
exit "$code"
