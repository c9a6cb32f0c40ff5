"""Several trainings at a time, each in a process of its own, with the results of one by one.

The processes are those of joblib's active backend: of this machine, unless somebody has chosen
another one. Items go there, and results come back, as bytes. Knows nothing of what is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal, TypeVar

from foveate.environment import added_variables
from foveate.errors import ConfigError, MissingExtraError

NO_REPORTS = {"RAY_USAGE_STATS_ENABLED": "0"}  # by a cluster that we start to Ray's makers
Engine = Literal["local", "ray"]
Item = TypeVar("Item")
Result = TypeVar("Result")


def run_side_by_side(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Iterator[Result]:
    """Yield what a function returns for each item, in their order.

    With one job it is called here, one item after the other, and not before the one before was
    taken. Else every process may use its share of the processor's threads. Ctrl-C reaches them
    all, and ends them.

    Args:
        function: of a module, so that another process finds it.
        items: values that can be pickled.
        jobs: how many at a time.

    Example:
        >>> list(run_side_by_side(abs, [-2, 3], jobs=1))
        [2, 3]
    """
    if min(jobs, len(items)) <= 1:
        return map(function, items)
    from joblib import delayed

    results: Iterable[Result] = _start(min(jobs, len(items)))(
        delayed(function)(item) for item in items
    )
    return iter(results)


def _start(jobs: int) -> Any:
    """Return what runs jobs with joblib's active backend; where it can, results come one by one."""
    from joblib import Parallel

    try:
        return Parallel(n_jobs=jobs, return_as="generator")
    except ValueError:  # the backend gives all results together
        return Parallel(n_jobs=jobs)


def check_engine(engine: Engine, jobs: int) -> None:
    """Make sure before any work that jobs can be run by an engine.

    Raises:
        ConfigError: Ray is to run one job at a time.
        MissingExtraError: Ray is not installed.
    """
    if engine == "ray" and jobs == 1:
        raise ConfigError("--engine ray: trains several models at a time: add --jobs N")
    if engine == "ray" and find_spec("ray") is None:
        raise MissingExtraError("ray", "ray", "training on a cluster")


@contextmanager
def trained_on(engine: Engine, jobs: int) -> Iterator[None]:
    """Let what is trained side by side in the context run on this machine, or on a Ray cluster.

    Args:
        engine: whose processes they are.
        jobs: how many at a time.

    Raises:
        ConfigError: the cluster has fewer processors than jobs.

    Example:
        >>> with trained_on("local", jobs=1):
        ...     list(run_side_by_side(abs, [-2, 3], jobs=1))
        [2, 3]
    """
    if engine == "local":
        yield
        return
    from joblib import parallel_config
    from ray.util.joblib import register_ray

    ray = join_cluster()
    processors = int(ray.cluster_resources().get("CPU", 0))
    if processors < jobs:
        raise ConfigError(f"--jobs {jobs}: more than the {processors} processors of the cluster")
    register_ray()  # type: ignore[no-untyped-call]
    with parallel_config(backend="ray"):
        yield


def join_cluster() -> Any:
    """Return Ray, connected with the cluster that `RAY_ADDRESS` names, or one of this machine."""
    with added_variables(NO_REPORTS):
        import ray

        ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    return ray
