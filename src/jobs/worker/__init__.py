"""What jobs adds to a Celery worker: keeper, lease, graceful stop, connections that suit jobs. Install it with `install(app)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery


def install(app: Celery) -> None:
    """Add the bootsteps, and the connections, to an application; call it where the application is made.

    By name, because the application is made before Django's models can be imported.
    """
    app.steps["worker"].update(
        {"jobs.worker.pool:PoolIsPrefork", "jobs.worker.steps:KeeperStep", "jobs.worker.stop:GracefulStop"}
    )
    app.steps["consumer"].update({"jobs.worker.lease:Lease", "jobs.worker.lease:BrokerWatch"})
    app.amqp_cls = "jobs.worker.connection:SteadyAMQP"
