#!/bin/sh
# The old name, the new tool: starts the stream, its proxy (or the services named) and what they need.
set -eu
here=$(dirname "$0")
[ $# -gt 0 ] || set -- trade_stream browser_proxy
"$here/restart" start "$@"
exec "$here/restart" status "$@"
