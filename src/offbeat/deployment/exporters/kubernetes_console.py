"""How a person runs a command on Kubernetes."""

from offbeat.deployment.exporters.console import Console

CONSOLE = Console(
    where="In a terminal on your own machine, with `kubectl`.",
    run="kubectl --namespace <name> exec --stdin --tty deployment/<name>-web -- {command}",
    fire=(
        "`kubectl --namespace <name> create job --from=cronjob/<name>-prune-jobs by-hand`, then `kubectl "
        "--namespace <name> logs --follow job/by-hand`."
    ),
    state="`kubectl --namespace <name> get pods`",
    worker=(
        "`kubectl --namespace <name> describe pods` says why it does not run; `kubectl --namespace <name> "
        "rollout restart deployment/<name>-worker`"
    ),
    logs="`kubectl --namespace <name> logs deployment/<name>-web`",
    variables="`kubectl --namespace <name> get configmap,secret`",
    crons="`kubectl --namespace <name> get cronjobs,jobs`",
)
