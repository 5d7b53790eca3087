from offbeat.cronjobs.commands import EnqueueCommand
from offbeat.jobs.tasks import prune


class Command(EnqueueCommand):
    help = "Enqueue the job that deletes finished jobs after their retention."
    task = prune
