#!/usr/bin/env bash
# Made from platform.yaml by "python manage.py export_platform dokku".
# Change platform.yaml and make it again, not this file.
# Run once on the Dokku host.
set -euo pipefail

dokku apps:create bakery
dokku app-json:set bakery appjson-path deploy/dokku/app.json
dokku plugin:install https://github.com/dokku/dokku-postgres.git || true
dokku postgres:create bakery-postgres --image-version 18
dokku postgres:link bakery-postgres bakery
dokku plugin:install https://github.com/dokku/dokku-redis.git || true
dokku redis:create bakery-redis --image-version 8
dokku redis:link bakery-redis bakery
dokku ps:set bakery stop-timeout-seconds 120
dokku resource:limit --memory 1024 --cpu 1 --process-type web bakery
dokku resource:limit --memory 768 --cpu 0.5 --process-type worker bakery
dokku resource:limit --memory 512 --cpu 0.5 --process-type mailer bakery
dokku docker-options:add bakery deploy,run "--tmpfs /tmp:size=64m"
dokku config:set --no-restart bakery LOG_LEVEL=INFO
dokku config:set --no-restart bakery GREETING='He said "50 % off", and left $5 \ more'
dokku config:set --no-restart bakery WEB_THREADS=8
dokku config:set --no-restart bakery MAILER_RATE=10
dokku config:set --no-restart bakery WORKER_GRACE=20
dokku config:set --no-restart bakery SECRET_KEY="$(openssl rand -base64 48 | tr -d '\n')"
dokku config:set --no-restart bakery ALLOWED_HOSTS="$(dokku domains:report bakery --domains-app-vhosts | tr ' ' ,)"
dokku config:set --no-restart bakery STRIPE_KEY="${STRIPE_KEY:?set it before}"
# git push dokku release/1.x:main
