"""Nomad's structs and rules, as its source has them: what is not in them is dropped in silence, or refused."""

import re

TEXT, NUMBER, FLAG, WORDS, TEXTS = str, int, bool, [str], {str: str}
# api/resources.go
RESOURCES = {"CPU": NUMBER, "MemoryMB": NUMBER}
# drivers/docker/config.go
MOUNT = {"type": TEXT, "target": TEXT, "tmpfs_options": {"size": NUMBER}}
CONTAINER = {
    "image": TEXT,
    "command": TEXT,
    "args": WORDS,
    "ports": WORDS,
    "readonly_rootfs": FLAG,
    "cap_drop": WORDS,
    "security_opt": WORDS,
    "mount": [MOUNT],
    "healthchecks": {"disable": FLAG},
}
# api/tasks.go
TEMPLATE = {"EmbeddedTmpl": TEXT, "DestPath": TEXT, "Envvars": FLAG, "ChangeMode": TEXT}
RESTART = {"Attempts": NUMBER, "Mode": TEXT}
TASK = {
    "Name": TEXT,
    "Driver": TEXT,
    "Lifecycle": {"Hook": TEXT, "Sidecar": FLAG},
    "Config": CONTAINER,
    "Env": TEXTS,
    "Templates": [TEMPLATE],
    "Resources": RESOURCES,
    "RestartPolicy": RESTART,
    "KillTimeout": NUMBER,
    "KillSignal": TEXT,
}
# api/services.go
CHECK = {
    "Name": TEXT,
    "Type": TEXT,
    "Path": TEXT,
    "Interval": NUMBER,
    "Timeout": NUMBER,
    "CheckRestart": {"Limit": NUMBER, "Grace": NUMBER},
}
SERVICE = {"Name": TEXT, "Provider": TEXT, "PortLabel": TEXT, "Checks": [CHECK]}
GROUP = {
    "Name": TEXT,
    "Count": NUMBER,
    "Tasks": [TASK],
    "Networks": [{"DynamicPorts": [{"Label": TEXT, "To": NUMBER}]}],
    "Services": [SERVICE],
    "ShutdownDelay": NUMBER,
    "RestartPolicy": RESTART,
    "ReschedulePolicy": {"Attempts": NUMBER, "Unlimited": FLAG},
}
# api/jobs.go
UPDATE = {
    "MaxParallel": NUMBER,
    "MinHealthyTime": NUMBER,
    "HealthyDeadline": NUMBER,
    "ProgressDeadline": NUMBER,
    "AutoRevert": FLAG,
    "Canary": NUMBER,
    "AutoPromote": FLAG,
}
DEADLINES = ("MinHealthyTime", "HealthyDeadline", "ProgressDeadline")
PERIODIC = {"Enabled": FLAG, "SpecType": TEXT, "Specs": WORDS, "TimeZone": TEXT, "ProhibitOverlap": FLAG}
JOB = {
    "ID": TEXT,
    "Name": TEXT,
    "Namespace": TEXT,
    "Type": TEXT,
    "Datacenters": WORDS,
    "Meta": TEXTS,
    "Update": UPDATE,
    "TaskGroups": [GROUP],
    "Periodic": PERIODIC,
}


def faults(value, shape, where="Job"):
    """Give what Nomad's structs do not know, or know as something else."""
    if isinstance(shape, list):
        for number, each in enumerate(value if isinstance(value, list) else [None]):
            yield from faults(each, shape[0], f"{where}[{number}]")
    elif shape == TEXTS:
        yield from (f"{where}.{key}" for key, each in value.items() if not isinstance(each, str))
    elif isinstance(shape, dict):
        for key, each in value.items():
            if key in shape:
                yield from faults(each, shape[key], f"{where}.{key}")
            else:
                yield f"{where}.{key} is not known"
    elif type(value) is not shape:
        yield f"{where} is {value!r}"


def unruly(jobs):
    """Give what Job.Validate and the docker driver would refuse."""
    names = [job["ID"] for job in jobs]
    yield from (f"{name}: is there twice" for name in set(names) if names.count(name) > 1)
    for job in jobs:
        if not re.fullmatch(r"[a-z0-9-]{1,128}", job["ID"]):
            yield f"{job['ID']}: is no ID"
        if ("Periodic" in job) != (job["Type"] == "batch"):
            yield f"{job['ID']}: only batch jobs are periodic"
        update = [job.get("Update", {}).get(name, 0) for name in DEADLINES]
        if update != sorted(update):
            yield f"{job['ID']}: deadlines are not in their order"
        for task in tasks(job):
            if not task["Config"].get("healthchecks", {}).get("disable"):
                yield f"{job['ID']}/{task['Name']}: Docker asks for the path of web"
        for group in job["TaskGroups"]:
            yield from (f"{job['ID']}/{group['Name']}: {fault}" for fault in _unruly_group(group))


def _unruly_group(group):
    labels = {port["Label"] for network in group.get("Networks", []) for port in network["DynamicPorts"]}
    used = {each["PortLabel"] for each in group.get("Services", [])}
    used |= {port for task in group["Tasks"] for port in task["Config"].get("ports", [])}
    yield from (f"no port is called {label}" for label in sorted(used - labels))
    if group.get("Services") and not group.get("ShutdownDelay"):
        yield "no shutdown_delay is set"  # a warning of `nomad job run`
    names = [task["Name"] for task in group["Tasks"]]
    if len(set(names)) != len(names):
        yield "two tasks have one name"


def tasks(job):
    return [task for group in job["TaskGroups"] for task in group["Tasks"]]


def argv(task):
    """Give the words that a container is started with."""
    return list(map(literal, [task["Config"]["command"], *task["Config"]["args"]]))


def literal(text):
    """Read text of a driver's config as HCL does: it has no sequence, and the doubled signs are the signs."""
    assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", text), text
    return text.replace("$${", "${").replace("%%{", "%{")


ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}


def variables(task):
    """Give what a container gets: the client replaces ${names} that it knows in Env, and templates come over them."""
    assert not [value for value in task["Env"].values() if "${" in value]
    (template,) = task["Templates"]
    text = template["EmbeddedTmpl"].partition("{{ with nomadVar")[0].replace('{{ "{{" }}', "\0")
    assert "{{" not in text
    # go-envparse: a line each, in double quotes with four escapes.
    lines = [line.replace("\0", "{{").split("=", 1) for line in text.splitlines()]
    return task["Env"] | {
        name: re.sub(r"\\(.)", lambda match: ESCAPES[match[1]], value[1:-1]) for name, value in lines
    }
