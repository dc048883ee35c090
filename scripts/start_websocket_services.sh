#!/bin/sh
# The old name, the new tool: starts the stream, its proxy (or the services named) and what they need.
set -eu
here=$(dirname "$0")
[ $# -gt 0 ] || set -- trade_stream browser_proxy
"$here/restart" start "$@"
code=0
"$here/restart" status --verbose "$@" || code=$?
echo "follow their output: $here/restart logs $* -f"
exit "$code"
