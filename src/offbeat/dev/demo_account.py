"""What the demo user is called, for those who need not load Django to say it."""

NAME = "demo"
PASSWORD = "offbeat"  # noqa: S105  public on purpose
