#!/usr/bin/env bash
# Names the tool that is missing or too old, in one line: `check-tools.sh python PATH` or `check-tools.sh node`.
set -euo pipefail

fail() {
	echo "portcullis: $1" >&2
	exit 1
}

case "$1" in
python)
	[ -n "${2:-}" ] || fail "Python 3.11 or newer is needed and none is on PATH: install it, or say make PYTHON=/path/to/python3.11"
	"$2" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
		fail "Python 3.11 or newer is needed and $2 is $("$2" -V 2>&1): install it, or say make PYTHON=/path/to/python3.11"
	"$2" -c 'import ensurepip, venv' 2>/dev/null ||
		fail "Python's venv module is needed and $2 lacks it: install it (on Debian, the package python3-venv)"
	;;
node)
	command -v node >/dev/null && command -v npm >/dev/null || fail "Node.js 20 or newer with npm is needed and there is none on PATH: install it"
	major=$(node -p 'process.versions.node.split(".")[0]')
	[ "$major" -ge 20 ] || fail "Node.js 20 or newer is needed and $(command -v node) is $(node --version): install a newer one"
	;;
*) fail "check-tools.sh knows python and node" ;;
esac
