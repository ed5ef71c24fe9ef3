"""What the driver asks of Ray, and makes of workers that end; Ray is made up."""

from types import SimpleNamespace

import pytest

from bottlebank.errors import EngineError
from bottlebank.extraction.cluster.messages import About, Failed, Lost
from bottlebank.extraction.cluster.ray_pool import RayPool
from bottlebank.extraction.cluster.settings import Cluster


class ActorError(Exception):
    pass


class TaskError(Exception):
    pass


class Ray:
    """Machines with cores and GPUs, and workers that answer as they are told to."""

    exceptions = SimpleNamespace(RayActorError=ActorError, RayTaskError=TaskError, RayError=OSError)

    def __init__(self, *machines, answers=()):
        self._machines, self._answers = machines, iter(answers)
        self.asked, self.killed, self.n_made = {}, [], 0

    def nodes(self):
        return [{"Alive": True, "Resources": machine} for machine in self._machines]

    def put(self, value):
        return value

    def remote(self, worker):
        def make(*arguments):
            self.n_made += 1
            begin = SimpleNamespace(remote=lambda: ("begin", self.n_made, object()))
            return SimpleNamespace(begin=begin, arguments=arguments)

        def options(**asked):
            self.asked = asked
            return SimpleNamespace(remote=make)

        return SimpleNamespace(options=options)

    def kill(self, actor):
        self.killed.append(actor)

    def wait(self, pending, num_returns, timeout):
        return pending[:1], pending[1:]

    def get(self, pending):
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("machines", "settings", "n_workers", "n_cores"),
    [
        ([2], {}, 1, 2),
        ([16, 16, 16], {}, 3, 16),
        ([16, 8, 4.0], {}, 3, 4),
        ([0, 16], {}, 1, 16),  # the head takes no work
        ([16], {"workers": 4}, 4, 4),
        ([16] * 4, {"workers": 6}, 6, 8),  # two of them fit on one machine
        ([1], {"workers": 3}, 3, 1),
        ([4, 16, 16], {"cores": 8}, 2, 8),
        ([4], {"cores": 8}, 1, 8),  # which is said, and waited for
        ([0], {"cores": 8, "workers": 5}, 5, 8),
    ],
)
def test_how_many_workers_there_are_and_their_cores(machines, settings, n_workers, n_cores):
    ray = Ray(*({"CPU": n} if n else {} for n in machines))
    with RayPool(ray, "order", Cluster(gpus=0.5, **settings)) as pool:
        assert pool.n_workers == len(pool.workers) == ray.n_made == n_workers
        assert ray.asked["num_cpus"] == n_cores and ray.asked["num_gpus"] == 0.5
        assert all(each.actor.arguments == ("order", n_cores) for each in pool.workers)
    assert len(ray.killed) == n_workers


def test_a_cluster_without_cores_says_what_to_say(caplog):
    with pytest.raises(EngineError, match="say --ray-workers and --cores-per-worker"):
        RayPool(Ray({}), "order", Cluster())
    RayPool(Ray({"CPU": 4}), "order", Cluster(gpus=1))
    assert "no machine of the cluster has 4 cores and 1 GPUs: waiting" in caplog.text


def creation_failed(reason):
    return ActorError(
        f"The actor died because of an error raised in its creation task, \x1b[36mray::X\x1b[39m\n"
        f"Traceback\n  ^^^^\n{reason}\n"
    )


def test_workers_that_end_before_they_are_ready_end_the_run():
    ray = Ray({"CPU": 2}, answers=[creation_failed("No module named 'bottlebank'")] * 9)
    with RayPool(ray, "order", Cluster()) as pool:
        for _ in range(4):
            [(_, event)] = pool.events(1)
            assert event == Lost("No module named 'bottlebank'")
            assert len(pool.workers) == 1  # another one
        with pytest.raises(EngineError, match="5 workers ended before .*: No module named 'bottl"):
            list(pool.events(1))


def test_one_bad_machine_is_done_without_where_others_work(caplog):
    about = About("good", 1, "openvino", 1.0)
    ray = Ray({"CPU": 2}, {"CPU": 2}, answers=[about, *[creation_failed("no disk")] * 9])
    with RayPool(ray, "order", Cluster()) as pool:
        [(worker, event)] = pool.events(1)
        assert event == about and pool.idle() == [worker]
        for _ in range(5):
            list(pool.events(1))
        assert pool.workers == [worker]
    assert "5 workers ended before they were ready: no disk; no further ones" in caplog.text


def test_what_a_worker_says_of_itself_is_handed_on():
    failed = Failed("CacheError", "x is not the folder")
    with RayPool(Ray({"CPU": 2}, answers=[failed]), "order", Cluster()) as pool:
        [(worker, event)] = pool.events(1)
        assert event == failed and worker.about is None
        pool.drop(worker)
        assert pool.workers == []


def test_a_mistake_in_a_worker_is_told_as_one():
    ray = Ray({"CPU": 2}, answers=[TaskError("KeyError: 3")])
    with (
        RayPool(ray, "order", Cluster()) as pool,
        pytest.raises(EngineError, match="(?s)a mistake in bottlebank.*KeyError: 3"),
    ):
        list(pool.events(1))
