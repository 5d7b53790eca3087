"""AWS ECS on Fargate: a stack for what stays, one for what runs, and the script that puts the release between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters import ecs_base, ecs_services
from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.plans import Plan
from offbeat.deployment.exporters.texts import comment, yaml_text

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target

PLANS = (
    Plan("0.25 vCPU", 0.25, 512),
    Plan("0.25 vCPU", 0.25, 1024),
    Plan("0.25 vCPU", 0.25, 2048),
    Plan("0.5 vCPU", 0.5, 4096, least=1024, step=1024),
    Plan("1 vCPU", 1, 8192, least=2048, step=1024),
    Plan("2 vCPU", 2, 16384, least=4096, step=1024),
    Plan("4 vCPU", 4, 30720, least=8192, step=1024),
    Plan("8 vCPU", 8, 61440, least=16384, step=4096),
    Plan("16 vCPU", 16, 122880, least=32768, step=8192),
)

FACTS = Facts(
    title="AWS ECS (Fargate)",
    console=Console(
        where=(
            "In a terminal on your own machine, with `aws`. The task of the release runs any command with the same "
            "image and the same variables. These lines, typed once, find what it needs:"
        ),
        opens=(
            "output() {",
            "    aws cloudformation describe-stacks --stack-name <name> --output text \\",
            "        --query \"Stacks[0].Outputs[?OutputKey=='$1'].OutputValue\"",
            "}",
            'network="subnets=[$(output Subnets)],securityGroups=[$(output SecurityGroup)],assignPublicIp=$(output PublicIp)"',
            "run() {",
            '    aws ecs run-task --cluster "$(output Cluster)" --task-definition "$(output Release)" --launch-type FARGATE \\',
            '        --network-configuration "awsvpcConfiguration={$network}" --query "tasks[0].taskArn" --output text \\',
            '        --overrides \'{"containerOverrides": [{"name": "release", \'"$1"\'}]}\'',
            "}",
        ),
        run="run '\"command\": {words}{password}'",
        password=', "environment": [{"name": "DJANGO_SUPERUSER_PASSWORD", "value": "..."}]',  # noqa: S106 - a blank
        answers='What a command prints is in the log, a minute later: `aws logs tail "$(output Logs)" --since 5m`.',
        fire=(
            "EventBridge Scheduler starts no schedule by hand: wait for its next time. "
            '`aws logs tail "$(output Logs)" --follow` shows it.'
        ),
        state='`aws ecs list-tasks --cluster "$(output Cluster)"`',
        worker="`deploy/ecs/deploy.sh` starts it again. Why a task ended: the service's events in the console",
        logs='`aws logs tail "$(output Logs)" --follow`',
        variables="`deploy/ecs/services.yaml`, and the secret in Secrets Manager",
        crons="`aws scheduler list-schedules --name-prefix <name>-`",
    ),
    files=("deploy/ecs/base.yaml", "deploy/ecs/services.yaml", "deploy/ecs/deploy.sh"),
    cron="a schedule of EventBridge Scheduler each, which runs a task, at least once",
    zone="each",
    repeated="once",
    overlap="runs may overlap",
    drift="up to a minute, and the time that a task takes to start",
    grace=120,
    grace_unset="30 s",
    longest_name=64,
    release="a task, run and awaited by deploy.sh before the services change",
    hosts="ALLOWED_HOSTS",
    resources="yours: RDS and ElastiCache, say; their addresses go into the secret",
    rabbitmq="yours: Amazon MQ, say",
    makes_rabbitmq=True,
    servers="own",
    plans=PLANS,
    # A dynamic reference, which has no escape.
    expands=r"\{\{resolve:[^}]*\}\}",
    leaves_out_optional=True,
    proved_by="AWS' cfn-lint; deploy.sh with a replacement for `aws`",
    notes=(
        "deploy.sh is the deploy: a stack updated by hand starts services without the release",
        "your servers' security groups have to let in the one that base.yaml makes (output SecurityGroup)",
    ),
    assumed=frozenset({"plans"}),
    unverified=("the sizes of 8 and 16 vCPU (from a secondary source)",),
    sources=(
        "docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html",
        "docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html",
        "docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference",
        "docs.aws.amazon.com/cli/latest/reference/cloudformation/deploy",
    ),
)

FOLDER = "deploy/ecs"
INLINE = 51_200
"""Bytes of a template that CloudFormation takes without a bucket."""


def files(target: Target) -> tuple[File, ...]:
    templates = {
        "base": ecs_base.template(target),
        "services": ecs_services.template(target, ecs_base.handed_over(target)),
    }
    texts = {name: _text(target, each) for name, each in templates.items()}
    return (
        *(File(f"{FOLDER}/{name}.yaml", text) for name, text in texts.items()),
        File(f"{FOLDER}/deploy.sh", _script(target, max(map(len, texts.values())))),
    )


def _text(target: Target, template: dict[str, Any]) -> str:
    # CloudFormation keeps templates as ASCII; in escapes every character arrives.
    return yaml_text(template, header=target.header, ascii_only=True)


SCRIPT = """\
# The first time, with what base.yaml asks for:
#   deploy/ecs/deploy.sh Vpc=... Subnets=...,... Secrets=arn:...
# Later, without: parameters stay as they were. IMAGE=... deploys another image than platform.yaml names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
stack=%(stack)s
image=${IMAGE:-%(image)s}

deploy() {
    aws cloudformation deploy --stack-name "$1" --template-file "$2" --capabilities CAPABILITY_IAM \\
        --no-fail-on-empty-changeset ${BUCKET:+--s3-bucket "$BUCKET"} --parameter-overrides "Image=$image" "${@:3}"
}

output() {
    aws cloudformation describe-stacks --stack-name "$stack" \\
        --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}

"""
BUCKET = """\
: "${BUCKET:?should name a bucket of S3: a template has more than 51,200 bytes}"
"""
RELEASE = """\

# The release: its task has ended well before anything else sees the new image.
# One at a time, for bash sees no failure inside of a text.
cluster=$(output Cluster)
release=$(output Release)
subnets=$(output Subnets)
group=$(output SecurityGroup)
public=$(output PublicIp)
network="subnets=[$subnets],securityGroups=[$group],assignPublicIp=$public"
task=$(aws ecs run-task --cluster "$cluster" --task-definition "$release" --launch-type FARGATE \\
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
"""


LAST = """\

# What base.yaml made is given to services.yaml as parameters.
made=$(aws cloudformation describe-stacks --stack-name "$stack" \\
    --query "Stacks[0].Outputs[].join('=', [OutputKey, OutputValue])" --output text)
# shellcheck disable=SC2086
deploy "$stack-services" services.yaml $made
"""


def _script(target: Target, size: int) -> str:
    bucket = BUCKET if size > INLINE else ""
    head = f"#!/usr/bin/env bash\n{comment(target.header)}"
    script = SCRIPT % {"stack": target.platform.name, "image": target.image}
    release = RELEASE if target.platform.release else ""
    return f'{head}{script}{bucket}deploy "$stack" base.yaml "$@"\n{release}{LAST}'
