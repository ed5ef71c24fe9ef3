import pytest

from bottlebank.errors import ParameterError
from bottlebank.extraction.cluster.settings import Cluster


@pytest.mark.parametrize(
    "address", [None, "auto", "10.0.0.5:6379", "head.cluster-1.example:6379", "[::1]:6379"]
)
def test_addresses_of_clusters(address):
    assert Cluster(address).address == address


@pytest.mark.parametrize(
    "address", ["", "photos", "photos/", "10.0.0.5", "10.0.0.5:", ":6379", 6379]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ParameterError, match=r"^address is .*; expected host:port"):
        Cluster(address)


def test_ray_client_is_refused_with_what_to_do():
    with pytest.raises(ParameterError, match="Ray Client: run bottlebank on a machine of the"):
        Cluster("ray://head:10001")


@pytest.mark.parametrize(
    ("metrics", "at"),
    [
        (9000, ("127.0.0.1", 9000)),
        ("9000", ("127.0.0.1", 9000)),
        ("0.0.0.0:9000", ("0.0.0.0", 9000)),
        ("[::1]:9000", ("::1", 9000)),
        ("head:1", ("head", 1)),
        (None, None),
    ],
)
def test_metrics_are_served_here_unless_another_host_is_named(metrics, at):
    assert Cluster(metrics=metrics).metrics_at() == at


@pytest.mark.parametrize("metrics", ["", "x", "head:", "0", "70000", "a b:9", -1])
def test_what_is_no_place_for_metrics_is_refused(metrics):
    with pytest.raises(ParameterError, match="^metrics is .*; expected a port, or host:port"):
        Cluster(metrics=metrics)


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"workers": 1.5},
        {"cores": 0},
        {"cores": "two"},
        {"gpus": -1},
        {"gpus": float("nan")},
        {"gpus": "one"},
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(wrong):
    [name] = wrong
    with pytest.raises(ParameterError, match=f"^{name} is "):
        Cluster(**wrong)
