from newsletter.tasks import purge_unconfirmed
from offbeat.cronjobs.commands import EnqueueCommand


class Command(EnqueueCommand):
    help = "Enqueue the purge of subscribers who never confirmed."
    task = purge_unconfirmed
