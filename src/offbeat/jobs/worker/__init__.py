"""What jobs adds to a Celery worker: maintenance, lease, graceful stop, connections. Install it with `install(app)`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from offbeat.jobs import base_classes

if TYPE_CHECKING:
    from celery import Celery


def install(app: Celery) -> None:
    """Add the bootsteps, and the connections, to an application; call it where the application is made.

    By name, because the application is made before Django's models can be imported.
    """
    app.steps["worker"].update(
        {
            "offbeat.jobs.worker.pool:PoolChoice",
            "offbeat.jobs.worker.broker_choice:BrokerChoice",
            "offbeat.jobs.worker.bootsteps:MaintenanceStep",
            "offbeat.jobs.worker.graceful_stop:GracefulStop",
        }
    )
    app.steps["consumer"].update({"offbeat.jobs.worker.lease:Lease", "offbeat.jobs.worker.lease:BrokerWatch"})
    base_classes.install(app)
    app.control_cls = "offbeat.jobs.revocation:JobsControl"
    app.amqp_cls = "offbeat.jobs.worker.connection:SteadyAMQP"
    logging.getLogger("celery.worker.consumer.consumer").addFilter(is_true_of_jobs)


def is_true_of_jobs(record: logging.LogRecord) -> bool:
    """Drop what is not so of a job: that it ends with the connection, or that it is discarded.

    What becomes of a job is logged by whoever records it.
    """
    values = record.args if isinstance(record.args, tuple) else ()
    return not any(
        getattr(value, "is_job", False) or (isinstance(value, dict) and value.get("job")) for value in values
    )
