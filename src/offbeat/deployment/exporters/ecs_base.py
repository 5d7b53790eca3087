"""ECS: the stack of what stays from deploy to deploy: network, load balancer, logs, roles, secrets; and the release's task."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.ecs_tasks import CRON_PLAN, Object, assumed_by, identifier, task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

POLICIES = "iam::aws:policy/service-role"


def template(target: Target) -> Object:
    web = _web(target)
    resources = {
        "Cluster": _resource("ECS::Cluster", ClusterName=target.platform.name),
        "Logs": _resource("Logs::LogGroup", RetentionInDays=30),
        **dict(_secrets(target)),
        "ExecutionRole": _execution_role(target),
        "SecurityGroup": _security_group(target, web),
        **(_load_balancer(web) if web and web.port else {}),
    }
    if release := target.platform.release:
        resources["Release"] = task(
            target, "release", shlex.split(release), handed_over(target), plan=CRON_PLAN, service=None
        )
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{target.platform.name}: what stays from deploy to deploy",
        "Parameters": _parameters(target, web),
        "Resources": resources,
        "Outputs": _outputs(target),
    }


def _parameters(target: Target, web: Service | None) -> Object:
    names = ", ".join(_asked(target))
    parameters: Object = {
        **({"Image": {"Type": "String", "Default": target.image}} if target.platform.release else {}),
        "Vpc": {"Type": "AWS::EC2::VPC::Id"},
        "Subnets": {
            "Type": "List<AWS::EC2::Subnet::Id>",
            "Description": "Where the tasks run: they have to reach the servers and the registry of the image",
        },
        "PublicIp": {
            "Type": "String",
            "AllowedValues": ["ENABLED", "DISABLED"],
            "Default": "ENABLED",
            "Description": "DISABLED in private subnets with a NAT gateway; either way only the load balancer reaches a task",
        },
    }
    if _asked(target):
        parameters["Secrets"] = {
            "Type": "String",
            "Description": f"ARN of a secret of Secrets Manager, a JSON object with {names}",
        }
    if web:
        parameters["LoadBalancerSubnets"] = {
            "Type": "List<AWS::EC2::Subnet::Id>",
            "Description": "Public subnets in two zones at least",
        }
        parameters["Certificate"] = {
            "Type": "String",
            "Description": "ARN of the certificate of the site's name, of Certificate Manager",
        }
    return parameters


def _asked(target: Target) -> list[str]:
    """Give what a person puts into the secret."""
    required = [each.name for each in target.platform.env if each.required]
    return [*target.platform.resources.injected, *required]


def _secrets(target: Target) -> Iterator[tuple[str, Object]]:
    """Give the secrets that are made once; they outlive the stack, since what they sign would not."""
    for each in target.platform.env:
        if each.generated:
            made = {"PasswordLength": 64, "ExcludePunctuation": True}
            secret = _resource("SecretsManager::Secret", GenerateSecretString=made)
            yield (
                identifier("Secret", each.name),
                secret
                | {
                    "DeletionPolicy": "Retain",
                    "UpdateReplacePolicy": "Retain",
                },
            )


def _execution_role(target: Target) -> Object:
    secrets = [{"Ref": name} for name, _ in _secrets(target)]
    secrets += [{"Ref": "Secrets"}] if _asked(target) else []
    managed = f"arn:${{AWS::Partition}}:{POLICIES}/AmazonECSTaskExecutionRolePolicy"
    role = {
        "AssumeRolePolicyDocument": assumed_by("ecs-tasks.amazonaws.com"),
        "ManagedPolicyArns": [{"Fn::Sub": managed}],
    }
    if secrets:
        allowed = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secrets}
        document = {"Version": "2012-10-17", "Statement": [allowed]}
        role["Policies"] = [{"PolicyName": "secrets", "PolicyDocument": document}]
    return _resource("IAM::Role", **role)


def _security_group(target: Target, web: Service | None) -> Object:
    group: Object = {"GroupDescription": f"Tasks of {target.platform.name}", "VpcId": {"Ref": "Vpc"}}
    if web and web.port:
        group["SecurityGroupIngress"] = [
            _ingress(web.port, SourceSecurityGroupId={"Ref": "LoadBalancerGroup"})
        ]
    return _resource("EC2::SecurityGroup", **group)


def _ingress(port: int, **source: Any) -> Object:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **source}


def _load_balancer(web: Service) -> Object:
    group = {
        "GroupDescription": "The load balancer",
        "VpcId": {"Ref": "Vpc"},
        "SecurityGroupIngress": [_ingress(port, CidrIp="0.0.0.0/0") for port in (80, 443)],
    }
    balancer = {"Subnets": {"Ref": "LoadBalancerSubnets"}, "SecurityGroups": [{"Ref": "LoadBalancerGroup"}]}
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    return {
        "LoadBalancerGroup": _resource("EC2::SecurityGroup", **group),
        "LoadBalancer": _resource("ElasticLoadBalancingV2::LoadBalancer", **balancer),
        "TargetGroup": _target_group(web),
        "Http": _listener(80, "HTTP", {"Type": "redirect", "RedirectConfig": redirect}),
        "Https": _listener(
            443,
            "HTTPS",
            {"Type": "forward", "TargetGroupArn": {"Ref": "TargetGroup"}},
            Certificates=[{"CertificateArn": {"Ref": "Certificate"}}],
            SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        ),
    }


def _target_group(web: Service) -> Object:
    # Not `ready`: ECS ends tasks that fail it, and without the database that would be all, again and again.
    # Without a path of its own to ask, any answer that is no error of the server will do.
    path = web.health
    drain = {"Key": "deregistration_delay.timeout_seconds", "Value": str(web.grace)}
    return _resource(
        "ElasticLoadBalancingV2::TargetGroup",
        VpcId={"Ref": "Vpc"},
        TargetType="ip",
        Protocol="HTTP",
        Port=web.port,
        HealthCheckPath=path or "/",
        HealthCheckIntervalSeconds=10,
        HealthCheckTimeoutSeconds=5,
        HealthyThresholdCount=2,
        UnhealthyThresholdCount=3,
        Matcher={"HttpCode": "200" if path else "200-499"},
        TargetGroupAttributes=[drain],
    )


def _listener(port: int, protocol: str, action: Object, **more: Any) -> Object:
    return _resource(
        "ElasticLoadBalancingV2::Listener",
        LoadBalancerArn={"Ref": "LoadBalancer"},
        Port=port,
        Protocol=protocol,
        DefaultActions=[action],
        **more,
    )


def handed_over(target: Target) -> Object:
    """Give what the other stack needs of this one: not as exports, which cannot be changed while they are in use."""
    values: Object = {
        "Cluster": {"Ref": "Cluster"},
        "Logs": {"Ref": "Logs"},
        "ExecutionRole": {"Fn::GetAtt": ["ExecutionRole", "Arn"]},
        "SecurityGroup": {"Ref": "SecurityGroup"},
        "Subnets": {"Fn::Join": [",", {"Ref": "Subnets"}]},
        "PublicIp": {"Ref": "PublicIp"},
    }
    if target.wake_ups:
        values["ClusterArn"] = {"Fn::GetAtt": ["Cluster", "Arn"]}
    values |= {name: {"Ref": name} for name, _ in _secrets(target)}
    if _asked(target):
        values["Secrets"] = {"Ref": "Secrets"}
    if _web(target):
        values["TargetGroup"] = {"Ref": "TargetGroup"}
    return values


def _outputs(target: Target) -> Object:
    values = handed_over(target)
    if target.platform.release:
        values["Release"] = {"Ref": "Release"}
    if _web(target):
        values["Address"] = {"Fn::GetAtt": ["LoadBalancer", "DNSName"]}
    return {name: {"Value": value} for name, value in values.items()}


def _web(target: Target) -> Service | None:
    return next((each for each in target.platform.services if each.port), None)


def _resource(kind: str, **properties: Any) -> Object:
    return {"Type": f"AWS::{kind}", "Properties": properties}
