"""What a result's `errors` name where no exception of the task ended it. None of them is raised where the task was enqueued."""


class AttemptLostError(Exception):
    """The process of an attempt died, or was killed: out of memory, a hard time limit, a lost machine."""


class JobCancelledError(Exception):
    """A person discarded the job, or its concurrency key was busy and `when_busy` is "skip"."""


class JobExpiredError(Exception):
    """The job was not started before its `not_after`."""


class UnknownTaskError(Exception):
    """No worker could find the task by its path: deploy the code that has it, or discard the job."""
