#!/usr/bin/env bash
# Made from platform.yaml by "python manage.py export_platform nomad".
# Change platform.yaml and make it again, not this file.
# For each deploy, and after each export. Needs NOMAD_ADDR, and NOMAD_TOKEN where the cluster asks for one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

nomad namespace apply -description bakery bakery
if ! nomad var get -namespace bakery -out none nomad/jobs >/dev/null 2>&1; then
    # The first time: index 0 makes it and overwrites none. To change one: nomad var get -out json, edit, nomad var put.
    nomad var put -check-index 0 -namespace bakery nomad/jobs \
        DATABASE_URL="${DATABASE_URL:?is the address of a server}" \
        REDIS_URL="${REDIS_URL:?is the address of a server}" \
        SECRET_KEY="$(python3 -c "import secrets; print(secrets.token_urlsafe(50))")" \
        ALLOWED_HOSTS="${ALLOWED_HOSTS:?is required}" \
        STRIPE_KEY="${STRIPE_KEY:?is required}"
fi
nomad job run -json services.json
nomad job run -json cron-every-minute.json
nomad job run -json cron-weekly-digest.json
nomad job run -json cron-night-shift.json
nomad job run -json cron-jittered.json
nomad job run -json cron-month-end.json
nomad job run -json cron-office-hours.json
