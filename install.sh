#!/usr/bin/env bash
# Sets Quire up, from nothing to a kernel that answers.
#
#   ./install.sh        build the binary, put it on this user's path, register the Jupyter kernel
#   ./install.sh run    the same, then execute notebooks/00_lifecycle.ipynb and write an HTML report
#   ./install.sh test   everything the tests need, then all tests
#
# Safe to repeat: what is there already is left alone. System packages are installed only on Debian or Ubuntu as root; elsewhere
# the script says what is missing and goes on where it can.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

need_go="1.26"
bin="${QUIRE_BIN:-$HOME/.local/bin}"
export GOEXPERIMENT=simd

say()  { printf '\033[1m==> %s\033[0m\n' "$*"; }
note() { printf '    %s\n' "$*"; }
die()  { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

# version_at_least HAVE WANT compares dotted versions.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

find_go() {
  local candidate have
  for candidate in go /usr/local/go/bin/go "$HOME/go/bin/go" "$HOME/sdk"/go*/bin/go; do
    candidate=$(command -v "$candidate" 2>/dev/null) || continue
    have=$("$candidate" env GOVERSION 2>/dev/null | sed 's/^go//; s/[ -].*//') || continue
    if version_at_least "$have" "$need_go"; then
      PATH="$(dirname "$candidate"):$PATH"
      export PATH
      return
    fi
    note "$candidate is Go $have, too old"
  done
  die "needs Go $need_go or newer: install it from https://go.dev/dl/ (or your system's packages), put it on PATH, and run this again"
}

# is_debian_root says whether system packages can be installed here.
is_debian_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# packages NAME… installs the Debian packages that are missing, or says which are.
packages() {
  local missing=() p
  for p in "$@"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
  [ ${#missing[@]} = 0 ] && return 0
  if ! is_debian_root; then
    note "not installed here: ${missing[*]} (install them as root; what needs them is skipped by name)"
    return 0
  fi
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    note "could not install all of: ${missing[*]} (what needs them is skipped by name)"
}

# build makes bin/quire. With a C compiler the binary can load %%native cells; without one all else works.
build() {
  if command -v gcc >/dev/null; then
    export CGO_ENABLED=1
  else
    export CGO_ENABLED=0
    note "no gcc: building without %%native cells (install gcc and run this again to have them)"
  fi
  say "building quire with $(go env GOVERSION), GOEXPERIMENT=$GOEXPERIMENT"
  go build -o bin/quire ./kernel/cmd/quire
}

find_jupyter() {
  if command -v jupyter >/dev/null; then
    return 0
  fi
  if is_debian_root; then
    packages jupyter-notebook jupyter-nbconvert
    return 0
  fi
  note "no Jupyter on PATH: notebooks run with 'quire run'; for the browser install jupyter-notebook (Debian) or jupyterlab (pip), or open one in VS Code"
}

install_kernel() {
  mkdir -p "$bin"
  if ! cmp -s bin/quire "$bin/quire"; then
    say "installing $bin/quire"
    install -m 755 bin/quire "$bin/quire.new" && mv "$bin/quire.new" "$bin/quire"
  fi
  "$bin/quire" install --user
  "$bin/quire" doctor --warm
  case ":$PATH:" in *":$bin:"*) ;; *) note "add $bin to PATH to call quire by name" ;; esac
}

setup() {
  find_go
  build
  find_jupyter
  install_kernel
}

run_lifecycle() {
  mkdir -p out
  say "running notebooks/00_lifecycle.ipynb in a fresh kernel"
  "$bin/quire" run notebooks/00_lifecycle.ipynb -o out/00_lifecycle.ipynb --html out/00_lifecycle.html
  say "done"
  note "executed notebook  out/00_lifecycle.ipynb"
  note "report             out/00_lifecycle.html"
}

# summary PACKAGES FLAG… runs gotestsum, whose last lines count the tests and name those that were skipped or failed. A test that fails
# has a second chance by itself, for a machine that was too busy the first time, unless more than ten do; it stays named among the failed.
summary() {
  local packages="$1"
  shift
  go tool -modfile=tools/go.mod gotestsum --format pkgname --format-hide-empty-pkg \
    --rerun-fails=1 --packages="$packages" -- "$@"
}

run_tests() {
  packages gcc jupyter-client jupyter-notebook jupyter-nbconvert python3-ipykernel python3-jupyter-kernel-test \
    chromium chromium-driver librsvg2-bin libopenblas0-pthread python3-sentencepiece
  say "staticcheck"
  go tool -modfile=tools/go.mod staticcheck ./...
  say "all tests, GOEXPERIMENT=simd"
  summary ./... -timeout 30m
  if command -v gcc >/dev/null; then
    say "the front process under the race detector"
    summary "./kernel/wire ./kernel/zmtp ./kernel/link ./kernel/front ./kernel/comm ./kernel/history" -race -timeout 10m
    summary ./kernel/kerneltest -race -timeout 10m -run 'TestProtocol/inside'
  fi
  say "the portable fallback: tests without the SIMD experiment"
  GOEXPERIMENT= summary "./simd/... ./lib/..." -short -timeout 20m
}

case "${1-}" in
  "")   setup ;;
  run)  setup; run_lifecycle ;;
  test) setup; run_tests ;;
  *)    die "unknown command '$1': use ./install.sh, ./install.sh run or ./install.sh test" ;;
esac
