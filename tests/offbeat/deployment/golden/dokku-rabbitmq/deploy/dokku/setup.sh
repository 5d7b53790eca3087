#!/usr/bin/env bash
# Made from platform.yaml by "python manage.py export_platform dokku".
# Change platform.yaml and make it again, not this file.
# Run on the Dokku host, as root; again after every export. What is there is kept.
set -euo pipefail

has() { grep --quiet --line-regexp "$1" <<<"$known"; }

dokku apps:exists bakery >/dev/null 2>&1 || dokku apps:create bakery
dokku app-json:set bakery appjson-path deploy/dokku/app.json
dokku plugin:installed postgres >/dev/null 2>&1 || dokku plugin:install https://github.com/dokku/dokku-postgres.git postgres
dokku postgres:exists bakery-postgres >/dev/null 2>&1 || dokku postgres:create bakery-postgres --image-version 18
dokku postgres:linked bakery-postgres bakery >/dev/null 2>&1 || dokku postgres:link bakery-postgres bakery
dokku plugin:installed rabbitmq >/dev/null 2>&1 || dokku plugin:install https://github.com/dokku/dokku-rabbitmq.git rabbitmq
dokku rabbitmq:exists bakery-rabbitmq >/dev/null 2>&1 || dokku rabbitmq:create bakery-rabbitmq --image-version 4.1
dokku rabbitmq:linked bakery-rabbitmq bakery >/dev/null 2>&1 || dokku rabbitmq:link bakery-rabbitmq bakery --alias BROKER
dokku ps:set bakery stop-timeout-seconds 120
dokku resource:limit --memory 1024 --cpu 1 --process-type web bakery
dokku resource:limit --memory 768 --cpu 0.5 --process-type worker bakery
dokku resource:limit --memory 512 --cpu 0.5 --process-type mailer bakery
dokku resource:limit --memory 512 --cpu 0.5 --process-type io bakery
dokku docker-options:add bakery deploy,run "--tmpfs /tmp:size=64m"
dokku config:set --no-restart bakery \
    LOG_LEVEL=INFO \
    GREETING='He said "50 % off", and left $5 \ more' \
    WEB_THREADS=8 \
    MAILER_RATE=10 \
    WORKER_GRACE=20
known=$(dokku config:keys bakery)
has SECRET_KEY || dokku config:set --no-restart bakery SECRET_KEY="$(openssl rand -base64 48 | tr -d '\n')"
if ! has ALLOWED_HOSTS; then
    hosts=${ALLOWED_HOSTS:-$(dokku domains:report bakery --domains-app-vhosts | xargs | tr ' ' ,)}
    if [[ -z $hosts ]]; then
        echo "Dokku knows no domain of bakery. Hint: dokku domains:set bakery www.example.com, and run this again." >&2
        exit 78
    fi
    dokku config:set --no-restart bakery ALLOWED_HOSTS="$hosts"
fi
has STRIPE_KEY || dokku config:set --no-restart bakery STRIPE_KEY="${STRIPE_KEY:?set it before}"
# git push dokku release/1.x:main
