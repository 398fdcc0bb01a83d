#!/usr/bin/env bash
# The one entry: finds or makes an interpreter that has the dependencies, then runs a verb.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
venv=$root/.venv
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

usage() {
  cat <<'TEXT'
What depth buys and what it costs: classic convolutional networks in JAX.

usage: ./launch.sh [VERB ...]

  ./launch.sh                      the default study: plain against residual networks on handwritten
                                   digits, over depths and seeds; ends with a table and a report
  ./launch.sh study [NAME]         a study of experiments/, with --depths, --seeds, --arms,
                                   --workdir and --config.FIELD=VALUE; on Ray or Slurm with
                                   --engine=ray|slurm
  ./launch.sh train --config=configs/cifar.py:depth=56,shortcut=none --workdir=DIR
                                   one run; --config.FIELD=VALUE sets any field
  ./launch.sh models [NAME ...]    the networks: paper, parameters, multiply-adds, depth
  ./launch.sh analyze NAME        what a network costs, layer by layer: FLOPs and bytes
  ./launch.sh complexity           accuracy against operations and parameters of all networks, or of
                                   your runs with --runs=DIR, as a page
  ./launch.sh whatif NAME --hardware=FILE --vary=KEY=FIRST:LAST:x2
                                   what it would take on variants of a machine
  ./launch.sh calibrate --out=FILE.toml
                                   measure this machine and write its hardware file
  ./launch.sh validate --hardware=FILE.toml
                                   predicted against measured times of networks on this machine
  ./launch.sh install tpu|cuda     compilers for `analyze --target=tpu_v5e|h100|...`; `install browser`:
                                   what `test --browser` and `screenshots` need
  ./launch.sh export DIR --output=FILE.safetensors
                                   a run's weights, in torchvision's or Keras's naming if asked
  ./launch.sh probe DIR --what=lesion|response|gradient|shift|receptive_field|features|calibration
                                   an experiment on a trained run, or on the arms of a study
  ./launch.sh status DIR           how a study stands: its runs, their numbers, the time left
  ./launch.sh report DIR           write a study's report again from its files; with --watch
                                   its page follows the study while it runs
  ./launch.sh tensorboard DIR      look at a study's curves
  ./launch.sh bench [NAME]         measure this project against PyTorch and plain Flax, in turn
  ./launch.sh screenshots DIR      pictures of a study's page
  ./launch.sh docs                 the documentation as a site
  ./launch.sh test [ARGUMENTS]     the checks and the test suite

Every verb has its own --help. The first start makes .venv and installs what constraints.txt pins,
unless the active python3 has everything already (Python 3.11 or newer).
exit status: 0 done, 1 failed, 2 bad arguments, 75 preempted (start it again), 130 interrupted
TEXT
}

fail() {
  echo "launch.sh: $1" >&2
  exit 1
}

# Names of the distributions' modules that the core needs.
modules="jax flax optax ml_collections orbax.checkpoint tensorflow_datasets array_record tensorboardX \
tensorboard sklearn scipy altair vl_convert jaxtyping rich jinja2 PIL grain \
safetensors"
test_modules="pytest xdist hypothesis beartype ruff mypy keras"

has_modules() {
  "$1" - "${@:2}" <<'PYTHON' 2>/dev/null
import importlib.util, sys
missing = sys.version_info < (3, 11) or any(importlib.util.find_spec(m.split(".")[0]) is None for m in sys.argv[1:])
sys.exit(bool(missing))
PYTHON
}

find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "needs Python 3.11 or newer with the venv module; none found on the PATH"
}

# Fill .venv once for each content of pyproject.toml and constraints.txt.
install() {
  local extra=$1 target=$root sum stamp
  [ -n "$extra" ] && target="$root[$extra]"
  sum=$(cat "$root/pyproject.toml" "$root/constraints.txt" | cksum | cut -d' ' -f1)
  stamp=$venv/installed-${extra:-core}-$sum
  { [ -e "$stamp" ] || [ -e "$venv/installed-test-$sum" ]; } && return  # test holds the core, too
  exec 9>"$root/.venv.lock"
  flock 9
  if [ ! -e "$stamp" ]; then
    local python
    python=$(find_python) || exit 1
    echo "launch.sh: installing into $venv (once, a few minutes)" >&2
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" >&2 || fail "could not make $venv"
    PYTHONWARNINGS=ignore "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
      --constraint "$root/constraints.txt" --editable "$target" >&2 ||
      fail "the installation failed; the lines above say why. Fix it and start again"
    touch "$stamp"
  fi
  exec 9>&-
}

verb=${1:-study}
case $verb in
  -h | --help | help) usage; exit 0 ;;
esac
extra=
[ "$verb" = test ] && { extra=test; modules="$modules $test_modules"; }
python=python3
# shellcheck disable=SC2086
if ! { command -v python3 >/dev/null && has_modules python3 $modules; }; then
  install "$extra"
  python=$venv/bin/python
fi
exec "$python" -m resnets.cli "$@"
