#!/bin/sh
# One site's part in a refresh, for a job without people: approves the definition and joins. Safe to run again: what was
# promised is finished, and what is closed is said once more.
#
#     DEFINITION=refresh.yaml CEREMONY_ID=… TRUST=trusted-sites.txt sh site.sh
#
# CEREMONY_ID is the full id that `quorate rotate plan` printed. It must come from a person, or on a way that did not bring
# the file: else whoever changes the file changes both. The home is QUORATE_HOME, its passphrase QUORATE_PASSPHRASE_FILE.
set -eu
: "${DEFINITION:?the file}" "${CEREMONY_ID:?the full id}" "${TRUST:?identities or cards of the sites}"

quorate rotate approve --definition "$DEFINITION" --trust "$TRUST" --confirm "$CEREMONY_ID" --no-input --quiet >&2

# 3: others have not finished, 5: silence or the network. Both may end by themselves.
for try in 1 2 3; do
  code=0
  quorate rotate join --definition "$DEFINITION" --no-input --json || code=$?
  case $code in
    0) exit 0 ;;
    3 | 5) echo "join ended with $code, try $try of 3" >&2 ;;
    *) exit $code ;;
  esac
done
exit $code
