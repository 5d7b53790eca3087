"""The way off Celery Beat: finds its entries, says each as a cron schedule or why that cannot be, writes what takes its place."""
