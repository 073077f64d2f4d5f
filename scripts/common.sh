# shellcheck shell=bash
# Sourced by the other scripts: who builds, what is installed, where things are.
#
# Laboratories need root; building does not. Under sudo everything that cargo does runs as the invoking user with that
# user's Rust, so that nothing in the tree or in ~/.cargo ends up owned by root.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILDER=${SUDO_USER:-$(id -un)}
BUILDER_HOME=$(getent passwd "$BUILDER" | cut -d: -f6)
BUILDER_PATH=$BUILDER_HOME/.cargo/bin:/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
cd "$ROOT" || exit 1

say() { printf '\n== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 2; }

need_root() { [ "$(id -u)" -eq 0 ] || die "needs root for network namespaces: run  sudo $0 $*"; }

# Runs a command as the user who builds.
as_builder() {
  local -a setting=(HOME="$BUILDER_HOME" USER="$BUILDER" PATH="$BUILDER_PATH" CARGO_TARGET_DIR="$CARGO_TARGET_DIR")
  local name
  for name in CARGO_HOME RUSTUP_HOME RUSTUP_TOOLCHAIN CARGO_TERM_COLOR CARGO_BUILD_JOBS RUSTC_BOOTSTRAP RUSTDOCFLAGS \
    http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || setting+=("$name=${!name}")
  done
  if [ "$BUILDER" = "$(id -un)" ]; then env "${setting[@]}" "$@"; else runuser -u "$BUILDER" -- env "${setting[@]}" "$@"; fi
}

need_rust() {
  as_builder cargo --version >/dev/null 2>&1 ||
    die "user $BUILDER has no Rust: install it from https://rustup.rs as that user (1.88 or later), then run this again"
}

# Installs what is missing of the packages listed in the given files.
install_packages() {
  local list package
  local -a missing=()
  for list in "$@"; do
    while read -r package; do
      dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done < <(sed 's/#.*//; /^[[:space:]]*$/d' "$list")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" -eq 0 ] || die "not installed: ${missing[*]}; run  sudo apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  without_daemons apt_install "${missing[@]}" || die "apt-get could not install ${missing[*]}"
}

apt_install() {
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# Runs a command while Debian starts no daemon that it installs: the laboratories start their own. However it ends, the
# machine is as it was.
without_daemons() (
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\n# For the time of an installation by %s\nexit 101\n' "$ROOT" >$policy && chmod +x $policy
  fi
  "$@"
)

# Installs a cargo tool from crates.io where it is missing.
install_cargo_tool() {
  as_builder sh -c "command -v $1" >/dev/null 2>&1 && return 0
  say "installing $1 with cargo (once; takes some minutes)"
  # Its own target directory: the tool's build must not be mixed into the project's.
  as_builder env CARGO_TARGET_DIR="$BUILDER_HOME/.cache/quadspan-tools" cargo install --locked --quiet "$1" ||
    die "cargo could not install $1"
}

# Removes what laboratories of one run left behind: its namespaces, the processes in them, its files.
clean_lab_run() {
  local namespace pid
  for namespace in $(ip netns list | awk '{print $1}' | grep "^$1"); do
    for pid in $(ip netns pids "$namespace"); do kill -9 "$pid" 2>/dev/null || true; done
    ip netns delete "$namespace"
  done
  rm -rf /tmp/quadspan-lab-"$1"*
}
