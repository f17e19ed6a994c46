#!/bin/sh
# Makes .venv/, or renews it when what it was made from changed: sh scripts/setup.sh [PYTHON]
#
# .venv/.made-from is written last and says what the environment was made from. As long as it still says the truth there
# is nothing to do. Without it, an earlier set-up was cut short, and a half-installed package looks like a whole one:
# the environment is made anew (which is quick, what was downloaded is kept in the installer's cache).
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3}
venv=.venv
stamp=$venv/.made-from

fail() {
  echo "make setup: $1" >&2
  exit 2
}

# The place counts, because the scripts in .venv/bin name it; so does the Python, which may be gone or of another version.
made_from() {
  pwd -P
  "$venv/bin/python" -c 'import sys; print(sys.version_info[:2], sys.base_prefix)' 2>/dev/null || echo "no Python"
}
inputs() {
  cat pyproject.toml constraints.txt | cksum
}

if [ -f "$stamp" ]; then
  recorded=$(cat "$stamp")
  place=$(made_from)
  [ "$recorded" = "$place
$(inputs)" ] && exit 0
  case $recorded in
    "$place"*) ;;                      # same place, same Python: only the versions changed
    *) rm -f "$stamp" ;;
  esac
fi

if [ ! -f "$stamp" ]; then
  command -v "$python" >/dev/null 2>&1 || fail "found no $python; install Python 3.11 or later, or name one: make setup PYTHON=python3.12"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is $("$python" --version 2>&1), and 3.11 or later is needed; name one: make setup PYTHON=python3.12"
  echo "Making $venv with $("$python" --version) (a few minutes, about 7 GB)"
  "$python" -m venv --clear "$venv" || fail "$python cannot make virtual environments; install its venv module (Debian: python3-venv)"
fi
rm -f "$stamp"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
"$venv/bin/uv" pip install --python "$venv/bin/python" --compile-bytecode -c constraints.txt -e '.[dev]'
{ made_from; inputs; } >"$stamp"
