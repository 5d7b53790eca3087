from newsletter.tasks import send_signup_report
from offbeat.cronjobs import EnqueueCommand


class Command(EnqueueCommand):
    help = "Enqueue the hourly report of sign-ups to the people of ADMINS."
    task = send_signup_report
