from cronjobs.commands import EnqueueCommand
from newsletter.tasks import purge_unconfirmed


class Command(EnqueueCommand):
    help = "Enqueue the purge of subscribers who never confirmed."
    task = purge_unconfirmed
