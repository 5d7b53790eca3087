"""Which of a platform's sizes a service gets: the first that holds the CPUs, the memory and the instances of platform.yaml."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from offbeat.deployment.spec import Platform, Service


@dataclass(frozen=True)
class Plan:
    """A size that a platform has, by CPUs (infinity where it sets no limit) and MiB of one instance."""

    name: str
    cpu: float
    memory: int
    """The most that it has, where `least` says that the amount is ours to choose."""
    least: int | None = None
    step: int = 1
    """Chosen memory is a multiple of this."""
    most_instances: int | None = None
    scales: bool = True
    """Whether the platform, where it scales by itself, does that with this size."""
    group: str = ""
    """The services of an app have plans of one group."""

    def __str__(self) -> str:
        cpus = f"{amount(self.cpu)}, " if isfinite(self.cpu) else ""
        return f"{self.name} ({cpus}{self.memory} MiB)"


def plans_of(platform: Platform, plans: Sequence[Plan], *, scales: bool) -> dict[str, Plan]:
    """Give the plan of each service by its name; `plans` are in the order of preference, the cheapest first."""
    chosen: dict[str, Plan] = {}
    for group in dict.fromkeys(each.group for each in plans):
        offered = [each for each in plans if each.group == group]
        chosen = {each.name: plan_for(each, offered, scales=scales) for each in platform.services}
        if all(_holds(chosen[each.name], each, scales) for each in platform.services):
            break
    return chosen


def plan_for(service: Service, plans: Sequence[Plan], *, scales: bool = False) -> Plan:
    """Give the first plan that holds a service, or the one that comes nearest.

    Memory counts before CPUs: what lacks memory is killed, what lacks CPUs is slow.
    """
    offered = [each for each in plans if _holds_count(each, service, scales)] or list(plans)
    nearest = max(offered, key=lambda plan: (min(plan.memory, service.memory), plan.cpu, -plan.memory))
    return _filled(next((each for each in offered if _holds(each, service, scales)), nearest), service.memory)


def shortfalls(service: Service, plan: Plan, *, scales: bool) -> Iterator[str]:
    """Say what a service lacks in a plan, and what comes of it."""
    if plan.memory < service.memory:
        yield (
            f"services/{service.name}: gets {plan.memory} MiB, not {service.memory}: the largest size here is {plan.name}; "
            "a process that needs more is killed"
        )
    if plan.cpu < service.cpu:
        slow = "jobs" if service.queues else "requests"
        yield (
            f"services/{service.name}: gets {amount(plan.cpu)}, not {service.cpu:g}: the largest size here is {plan.name}; "
            f"{slow} take longer"
        )
    if plan.most_instances and plan.most_instances < service.instances.min:
        yield (
            f"services/{service.name}: runs {plan.most_instances} times, not {service.instances.min}: "
            "there are no more instances of a service here"
        )
    elif plan.most_instances and scales and plan.most_instances < service.instances.max:
        yield (
            f"services/{service.name}: scales to {plan.most_instances} instances, not {service.instances.max}: "
            "there are no more instances of a service here"
        )


def count_of(service: Service, plan: Plan) -> int:
    """Give how many instances a service starts with in a plan."""
    return min(max(service.instances.min, 1), plan.most_instances or service.instances.max)


def shrink(service: Service, plan: Plan) -> Service:
    """Give a service with no more than its plan has: what it runs is counted by that."""
    most = plan.most_instances or service.instances.max
    instances = replace(
        service.instances, min=min(service.instances.min, most), max=min(service.instances.max, most)
    )
    cpu, memory = min(service.cpu, plan.cpu), min(service.memory, plan.memory)
    return replace(service, cpu=cpu, memory=memory, instances=instances)


def amount(cpus: float) -> str:
    return f"{cpus:g} CPU{'' if cpus <= 1 else 's'}"


def _holds(plan: Plan, service: Service, scales: bool) -> bool:
    enough = plan.cpu >= service.cpu and plan.memory >= service.memory
    return enough and _holds_count(plan, service, scales)


def _holds_count(plan: Plan, service: Service, scales: bool) -> bool:
    low, high = max(service.instances.min, 1), service.instances.max
    ranged = scales and high > low
    enough = plan.most_instances is None or plan.most_instances >= (high if ranged else low)
    return enough and (plan.scales or not ranged)


def _filled(plan: Plan, memory: int) -> Plan:
    """Give a plan with the memory that is chosen in it."""
    if plan.least is None:
        return plan
    wanted = max(plan.least, -(-memory // plan.step) * plan.step)
    return replace(plan, memory=min(plan.memory, wanted))
