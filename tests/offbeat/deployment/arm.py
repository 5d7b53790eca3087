"""Reads ARM templates as Azure does: expressions, escapes, what the cluster makes of a dollar. Shares no code with the exporter."""

import re

TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|([A-Za-z_]\w*)|([(),.]))")
KINDS = {"managedEnvironments": "environments", "workspaces": "workspaces"}


class TemplateError(Exception):
    """An expression that Azure would refuse."""


def resolve(document, parameters):
    """Give a template's resources with every expression evaluated; raises TemplateError for one that cannot be."""
    given = {
        name: parameters.get(name, each.get("defaultValue", f"<{name}>"))
        for name, each in document["parameters"].items()
    }
    return _walk(document["resources"], given)


def _walk(value, given):
    if isinstance(value, dict):
        return {key: _walk(each, given) for key, each in value.items()}
    if isinstance(value, list):
        return [_walk(each, given) for each in value]
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return value[1:] if value.startswith("[[") else evaluate(value[1:-1], given)
    return value


def evaluate(text, given):
    tokens, position = [], 0
    while position < len(text):
        if not (match := TOKEN.match(text, position)):
            raise TemplateError(f"cannot read {text[position:]!r}")
        tokens.append(match)
        position = match.end()
    value, rest = _value(tokens, given)
    if rest:
        raise TemplateError(f"{text}: something is left")
    return value


def _value(tokens, given):
    first, rest = tokens[0], tokens[1:]
    if first[1] is not None:
        return first[1].replace("''", "'"), rest
    name, arguments = first[2], []
    if not name or not rest or rest.pop(0)[3] != "(":
        raise TemplateError(f"no function: {first[0]}")
    while rest[0][3] != ")":
        argument, rest = _value(rest, given)
        arguments.append(argument)
        if rest[0][3] == ",":
            rest = rest[1:]
    rest = rest[1:]
    value = call(name, arguments, given)
    while rest and rest[0][3] == ".":
        value, rest = value[rest[1][2]], rest[2:]
    return value, rest


def call(name, arguments, given):
    functions = {
        "parameters": lambda parameter: given[parameter],
        "resourceGroup": lambda: {"location": "westeurope"},
        "resourceId": lambda kind, resource: f"/{KINDS[kind.rpartition('/')[2]]}/{resource}",
        "reference": lambda identifier, version: {
            "defaultDomain": "sea.example",
            "customerId": identifier + version,
        },
        "listKeys": lambda identifier, version: {"primarySharedKey": identifier + version},
        "concat": lambda *texts: "".join(texts),
        "empty": lambda text: not text,
        "if": lambda condition, yes, no: yes if condition else no,
    }
    try:
        return functions[name](*arguments)
    except (KeyError, TypeError):
        raise TemplateError(f"{name}{tuple(arguments)}: no such function, parameter or kind") from None


def expanded(text, env):
    """Give text as Kubernetes hands it to a container: `$$` is a dollar, `$(NAME)` a variable that is known."""
    return re.sub(
        r"\$(?:(\$)|\(([^)]*)\))", lambda match: "$" if match[1] else env.get(match[2], match[0]), text
    )
