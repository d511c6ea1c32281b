#!/usr/bin/env bash
# Brings the three agencies of compose.yaml together: the first founds the log, the others send
# their requests, the founder admits them. Only the two public files (request, invitation) pass
# between agencies; keys stay in each agency's volume. Stops at the first thing that fails; a log
# that is there already is not touched.
#
#   deploy/container/bring-up.sh        COMPOSE="podman-compose" deploy/container/bring-up.sh
set -euo pipefail
cd "$(dirname "$0")"

compose=${COMPOSE:-docker compose}
origin=${ORIGIN:-log.example.org/registry}
folder=/var/lib/letopis
listen=(--listen 0.0.0.0:8460 --peer-listen 0.0.0.0:8470)

# Runs a program of the image with an agency's volume, before the agency's node runs.
once() { # agency, program, arguments
  local agency=$1 program=$2
  shift 2
  $compose run --rm --no-deps -T --entrypoint "$program" "$agency" "$@"
}

# Runs a program beside an agency's running node.
beside() { # agency, program, arguments
  $compose exec -T "$@"
}

start() { # agency
  $compose up -d "$1"
  for _ in $(seq 120); do
    if beside "$1" letopis node status --folder "$folder" </dev/null >/dev/null 2>&1; then
      return
    fi
    sleep 1
  done
  echo "bring-up: $1 does not answer after 120 tries: see $compose logs $1" >&2
  exit 1
}

found() { # agency, Russian name, English name
  once "$1" letopis init --folder "$folder" --origin "$origin" --agency "$1" \
    --name-ru "$2" --name-en "$3" "${listen[@]}" --peer-address "$1:8470" </dev/null
  start "$1"
}

join() { # founder, agency, number, Russian name, English name
  local request=/tmp/$2-request.json invitation=/tmp/$2-invitation.json
  once "$2" letopis agency request --folder "$folder" --origin "$origin" --agency "$2" \
    --name-ru "$4" --name-en "$5" --node "$3" "${listen[@]}" --peer-address "$2:8470" </dev/null
  once "$2" cat "$folder/request.json" </dev/null | beside "$1" sh -c "cat >$request"
  beside "$1" letopis agency admit "$request" --folder "$folder" --invitation "$invitation" </dev/null
  beside "$1" cat "$invitation" </dev/null | once "$2" sh -c "cat >$folder/from-founder.json"
  once "$2" letopis agency join "$folder/from-founder.json" --folder "$folder" </dev/null
  start "$2"
}

found zarechny "Муниципалитет Заречный" "Municipality of Zarechny"
join zarechny roads 2 "Дорожная служба" "Road authority"
join zarechny archive 3 "Архив" "Archive"
beside zarechny letopis node status --folder "$folder" </dev/null
