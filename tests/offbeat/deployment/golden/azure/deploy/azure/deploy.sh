#!/usr/bin/env bash
# Made from platform.yaml by "python manage.py export_platform azure".
# Change platform.yaml and make it again, not this file.
# GROUP=... PARAMETERS=... deploy/azure/deploy.sh
# GROUP is a resource group that exists, PARAMETERS the filled-in copy of parameters.example.json, outside the repository.
# IMAGE=... deploys another image than platform.yaml names.
set -euo pipefail
: "${GROUP:?should name a resource group}" "${PARAMETERS:?should name a file}"
parameters=$(realpath "$PARAMETERS")
cd "$(dirname "${BASH_SOURCE[0]}")"
image=${IMAGE:-registry.example:5000/acme/bakery:1.4.2}

deploy() {
    az deployment group create --resource-group "$GROUP" --name "bakery-$1" --template-file "$1.json" \
        --parameters "@$parameters" --parameters "containerImage=$image" --output none
}

deploy release

# The release: its job has ended well before anything else sees the new image.
execution=$(az containerapp job start --resource-group "$GROUP" --name bakery-release --query name --output tsv)
state() {
    az containerapp job execution show --resource-group "$GROUP" --name bakery-release --job-execution-name "$execution" \
        --query properties.status --output tsv
}
# The job's own limit is 1800 s.
for _ in $(seq 420); do
    status=$(state)
    case $status in Succeeded | Failed | Stopped | Degraded) break ;; esac
    sleep 5
done
if [[ $status != Succeeded ]]; then
    echo "The release $execution: $status; nothing else was changed. Its words are in the log workspace bakery-logs." >&2
    exit 1
fi

deploy apps
