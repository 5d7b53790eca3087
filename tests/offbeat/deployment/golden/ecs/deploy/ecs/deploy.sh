#!/usr/bin/env bash
# Made from platform.yaml by "python manage.py export_platform ecs".
# Change platform.yaml and make it again, not this file.
# The first time, with what base.yaml asks for:
#   deploy/ecs/deploy.sh Vpc=... Subnets=...,... Secrets=arn:...
# Later, without: parameters stay as they were. IMAGE=... deploys another image than platform.yaml names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
stack=bakery
image=${IMAGE:-registry.example:5000/acme/bakery:1.4.2}

deploy() {
    aws cloudformation deploy --stack-name "$1" --template-file "$2" --capabilities CAPABILITY_IAM \
        --no-fail-on-empty-changeset ${BUCKET:+--s3-bucket "$BUCKET"} --parameter-overrides "Image=$image" "${@:3}"
}

output() {
    aws cloudformation describe-stacks --stack-name "$stack" \
        --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}

deploy "$stack" base.yaml "$@"

# The release: its task has ended well before anything else sees the new image.
# One at a time, for bash sees no failure inside of a text.
cluster=$(output Cluster)
release=$(output Release)
subnets=$(output Subnets)
group=$(output SecurityGroup)
public=$(output PublicIp)
network="subnets=[$subnets],securityGroups=[$group],assignPublicIp=$public"
task=$(aws ecs run-task --cluster "$cluster" --task-definition "$release" --launch-type FARGATE \
    --network-configuration "awsvpcConfiguration={$network}" --query 'tasks[0].taskArn' --output text)
if [[ $task != arn:* ]]; then
    echo "ECS could not start the release: aws ecs run-task says why." >&2
    exit 1
fi
# One wait ends after ten minutes.
for _ in 1 2 3; do
    if aws ecs wait tasks-stopped --cluster "$cluster" --tasks "$task"; then break; fi
done
code=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" --query 'tasks[0].containers[0].exitCode' --output text)
if [[ $code != 0 ]]; then
    echo "The release ended with $code; nothing else was changed. Its words: aws logs tail $(output Logs)" >&2
    [[ $code =~ ^[0-9]+$ ]] || code=1
    exit "$code"
fi

# What base.yaml made is given to services.yaml as parameters.
made=$(aws cloudformation describe-stacks --stack-name "$stack" \
    --query "Stacks[0].Outputs[].join('=', [OutputKey, OutputValue])" --output text)
# shellcheck disable=SC2086
deploy "$stack-services" services.yaml $made
