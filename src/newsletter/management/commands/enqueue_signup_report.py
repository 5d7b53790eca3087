from cronjobs.commands import EnqueueCommand
from newsletter.tasks import send_signup_report


class Command(EnqueueCommand):
    help = "Enqueue the hourly report of sign-ups to the people of ADMINS."
    task = send_signup_report
