from offbeat.cronjobs.commands import EnqueueCommand
from offbeat.jobs.tasks import prune


class Command(EnqueueCommand):
    help = "Enqueue the pruning of finished jobs that are older than their retention."
    task = prune
