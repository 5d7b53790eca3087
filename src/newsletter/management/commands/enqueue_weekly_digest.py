from newsletter.tasks import send_weekly_digest
from offbeat.cronjobs import EnqueueCommand


class Command(EnqueueCommand):
    help = "Enqueue the weekly digest for every confirmed subscriber."
    task = send_weekly_digest
    catch_up = "latest"
    overlap = "skip"
