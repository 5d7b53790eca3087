"""Enqueue Offbeat's jobs from code without Django: two functions of its database, called with a psycopg connection of yours.

A job is written in the transaction that the connection is in, and is there after its commit. Any worker publishes it within a
second. Errors of the database that are about a job are EnqueueErrors, and say what would be right.
"""

from offbeat_client.call import EnqueueError, KeyBusyError, encode_call
from offbeat_client.connections import aenqueue, afind_job, enqueue, find_job
from offbeat_client.job import FINISHED, Job

__all__ = [
    "FINISHED",
    "EnqueueError",
    "Job",
    "KeyBusyError",
    "aenqueue",
    "afind_job",
    "encode_call",
    "enqueue",
    "find_job",
]
