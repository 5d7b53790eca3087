from newsletter.tasks import purge_unconfirmed
from offbeat.cronjobs import EnqueueCommand


class Command(EnqueueCommand):
    help = "Enqueue the purge of subscribers who never confirmed."
    task = purge_unconfirmed
