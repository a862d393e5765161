#!/usr/bin/env bash
# Databricks revokes a token that nobody used for 90 days. This rehearses it in a moment:
#
#   dapi-mock exec -- docs/ninety-days.sh        (MOCK names the binary if it is not in PATH)
set -euo pipefail
mock=${MOCK:-dapi-mock}
api() { curl -sS -H "Authorization: Bearer $1" "$DATABRICKS_HOST/api/2.0/$2" "${@:3}"; }
field() { grep -o "\"$1\": *\"[^\"]*" | cut -d'"' -f4; }
lists() { api "$used" token/list && api "$used" token-management/tokens; }
expect() { grep "$1" >/dev/null || { echo "expected: $1" >&2 && exit 1; }; }

busy=$(api "$DATABRICKS_TOKEN" token/create -d '{"comment": "busy"}') && used=$(field token_value <<<"$busy")
idle=$(api "$DATABRICKS_TOKEN" token/create -d '{"comment": "idle"}') && unused=$(field token_value <<<"$idle")
busy=$(field token_id <<<"$busy") && idle=$(field token_id <<<"$idle")
api "$unused" token/list | expect "$idle"                                 # used today, and never again
$mock clock --by 89d && api "$used" token/list | expect "$idle"           # day 89: both work, and one is used
$mock clock --by 1d | expect "token.auto_revoked  $idle"                  # day 90: the unused one is revoked
test "$(lists | grep -o "$busy\|$idle" | sort -u)" = "$busy"              # the lists have only the used one,
test "$(lists | grep -o "$busy" | wc -l)" = 2                             # and both lists have it
$mock audit --action revokeDbToken --actor System-User | expect "$idle"   # the audit log says who
api "$unused" token/list | expect '"error_code":403' && $mock explain --last | tee /dev/stderr | expect 'was last used at'
