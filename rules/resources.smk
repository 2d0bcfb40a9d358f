"""What jobs ask a cluster for, and which of them share a submission (docs/cluster.md)."""

import asyncio

from snakemake.exceptions import IncompleteCheckpointException
from snakemake.jobs import GroupJob, GroupJobFactory
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from convscope.planning import needs
from convscope.planning.groups import group_of
from convscope.planning.work import Study

PLAN = Study(config)
# What a job that computes with a network asks for: a graphics processor, where the study says so.
GPU = 1 if config["gpu"] else 0


def new_group(factory, name, jobs, resources):
    """A group of jobs, always a new one.

    Snakemake (9.27) keeps groups that it has made, and changes kept ones: after a checkpoint a group has jobs that are gone, and lacks
    those that came for them (its issues 1217, 2151 and 4202). It compares groups by their jobs, so that a new one is as good.
    """
    return GroupJob(name, frozenset(jobs), resources)


GroupJobFactory.new = new_group
# Where it cannot submit a group (an account that does not exist), the plugin for Slurm (2.8) names its rule, which a group has not, and waits
# for it for ever.
GroupJob.rule = property(lambda group: next(iter(group.jobs)).rule)


async def wait_as_told(executor):
    """Wait for the next look at the jobs: no longer than `seconds-between-status-checks` says.

    The plugin for Slurm waits ten seconds longer after each look that has found no job ended, which a run of short jobs spends on waiting.
    """
    told = executor.workflow.remote_execution_settings.seconds_between_status_checks
    await asyncio.sleep(min(told, executor.next_seconds_between_status_checks))


RemoteExecutor.sleep = wait_as_told


def work_of(name, wildcards):
    """What there is to do in a job of the rule of that name."""
    return PLAN.work(name, dict(wildcards.items()))


def megabytes(name):
    """Memory of a job, by the work that it has and the attempt that it is (see `convscope.planning.needs`)."""
    return lambda wildcards, attempt: needs.megabytes(
        name, work_of(name, wildcards), attempt
    )


def minutes(name):
    """Time of a job, by the same."""
    return lambda wildcards, attempt: needs.minutes(
        name, work_of(name, wildcards), attempt
    )


def threads_for(name):
    """Threads of a job that draws or reads pictures."""
    return lambda wildcards: needs.threads(work_of(name, wildcards).pictures)


def layer_position(model, layer):
    """Which of the layers with patterns a layer is; 0 where that is not known yet."""
    try:
        return selected("filters", model, CONVOLUTIONS).index(layer)
    except (IncompleteCheckpointException, ValueError):
        return 0


def together(name):
    """With which other jobs a job shares its submission to a cluster; on one machine Snakemake does not ask."""

    def group(wildcards):
        names = dict(wildcards.items())
        found = group_of(
            PLAN, name, names, lambda: layer_position(names["model"], names["layer"])
        )
        if found is None:
            return None
        found = f"{config['study']}.{found}"
        # Profiles know all groups by one name: `group-components: small=1000` joins the jobs of one.
        workflow.parent_groupids[found] = "small"
        return found

    return group
