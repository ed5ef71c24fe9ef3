"""What lies in `deploy/`: it fits the program, and serving needs what its list has, no more."""

from __future__ import annotations

import configparser
import http.server
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import threading
import urllib.request

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bottlebank.classifier.registry import saved_head_names
from bottlebank.cli import serve
from bottlebank.service import Settings

from ..conftest import ROOT
from . import dockerfile

DEPLOY = ROOT / "deploy"
STEPS = dockerfile.read(DEPLOY / "Dockerfile")
BUILD, FINAL = dockerfile.stages(STEPS)
OPTIONS = {param.name: param for param in serve.run.params}
PYTHONS = ("3.11", "3.12", "3.13")
TOO_LARGE = {"tensorflow", "keras", "scikit-learn", "matplotlib", "umap-learn", "onnx", "scipy"}


def declared():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    lines = settings["options"]["install_requires"].splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in found}


def wanted():
    lines = (DEPLOY / "serving-requirements.in").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in found}


def pinned():
    """Requirements with their hashes."""
    text = (DEPLOY / "serving-requirements.txt").read_text()
    entries = re.sub(r" \\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines()
    return [
        (Requirement(re.split(r"\s+--hash", line)[0]), re.findall(r"--hash=sha256:(\w{64})", line))
        for line in entries
        if line.strip()
    ]


def names_of_pins(python, system="linux"):
    there = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system}
    return {
        canonicalize_name(pin.name): pin
        for pin, _ in pinned()
        if pin.marker is None or pin.marker.evaluate(there)
    }


def test_the_list_is_a_part_of_what_the_package_requires():
    for name, requirement in wanted().items():
        assert requirement.specifier == declared()[name].specifier, name
    assert not wanted().keys() & TOO_LARGE


@pytest.mark.parametrize("python", PYTHONS)
def test_pins_are_within_the_ranges_and_whole(python):
    pins = names_of_pins(python)
    assert wanted().keys() <= pins.keys()
    assert not pins.keys() & TOO_LARGE
    for name, pin in pins.items():
        [specifier] = pin.specifier
        assert specifier.operator == "=="
        if name in declared():
            assert declared()[name].specifier.contains(Version(specifier.version)), name
    # What the pinned distributions need themselves, as far as they are installed here.
    for name in pins:
        for text in importlib.metadata.requires(name) or ():
            needed = Requirement(text)
            marker = {"extra": "", "python_version": python, "python_full_version": f"{python}.0"}
            if needed.marker is None or needed.marker.evaluate(marker):
                assert canonicalize_name(needed.name) in pins, (name, text)
    for pin, hashes in pinned():
        assert len(hashes) >= 1, pin


ONLY_THESE = """
import importlib.metadata, json, sys
allowed = set(json.loads(sys.argv.pop(1)))
owners = importlib.metadata.packages_distributions()

class Listed:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        names = {each.lower().replace("_", "-") for each in owners.get(name, ())}
        if "." not in name and names and not names & allowed:
            return None
        return self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Listed(finder) for finder in sys.meta_path if hasattr(finder, "find_spec")]
from bottlebank.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[] if kind == "logistic" else [pytest.mark.slow])
        for kind in saved_head_names()
    ],
)
def test_serving_imports_nothing_beside_the_list(kind, photos, cache, tmp_path):
    import bottlebank as bb

    head = tmp_path / "head.h5"
    table = bb.extract(photos, extractor="random", cache=cache)
    bb.save_head(bb.train_head(table, kind), head)
    allowed = [*names_of_pins(f"{sys.version_info[0]}.{sys.version_info[1]}"), "bottlebank"]
    image = next(photos.rglob("*.png"))
    command = [sys.executable, "-c", ONLY_THESE, json.dumps(allowed), "serve", "--head", head]
    with subprocess.Popen(
        [*map(str, command), "--port", "0", "--cache", cache],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            line = server.stdout.readline()
            found = re.search(r"at (http://127\.0\.0\.1:\d+/)", line)
            assert found, line + server.stderr.read()
            for route in ("predict?evidence=1", "embed", "docs", "metrics"):
                data = None if route in ("docs", "metrics") else image.read_bytes()
                kind_of_body = {"Content-Type": "image/png"}
                request = urllib.request.Request(found[1] + route, data, kind_of_body)
                with urllib.request.urlopen(request, timeout=60) as answer:
                    assert answer.status == 200
        finally:
            server.terminate()
        errors = server.stderr.read()
        assert server.wait(timeout=20) == 0, errors
        assert "Traceback" not in errors


def test_the_image_runs_as_nobody_in_particular_and_checks_itself():
    assert [step.text for step in FINAL if step.name == "USER"] == ["10001:10001"]
    assert dockerfile.command(FINAL, "CMD") == ["bottlebank", "serve"]
    assert dockerfile.command(FINAL, "HEALTHCHECK")[0] == "python"
    assert [stage[0].text.split()[0] for stage in (BUILD, FINAL)] == ["python:3.12-slim"] * 2
    runs = [step.text for step in BUILD if step.name == "RUN"]
    assert not [step for step in FINAL if step.name in ("RUN", "ADD")]
    assert "--require-hashes" in runs[1]
    assert all("--no-deps" in text for text in runs[1:])


@pytest.mark.parametrize("status", [200, 503])
def test_the_health_check_asks_the_server_and_no_proxy(status):
    """Docker sets these variables in each container where its own settings have a proxy."""

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    variables = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:9")
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        _, *arguments = dockerfile.command(FINAL, "HEALTHCHECK")
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**variables, "BOTTLEBANK_SERVE_PORT": str(server.server_port)},
            capture_output=True,
        )
        thread.join(10)
    assert (done.returncode == 0) == (status == 200), done.stderr


def test_the_image_is_made_of_the_package_alone():
    names = dockerfile.context(ROOT)
    assert {"setup.cfg", "pyproject.toml", "README.md", "LICENSE", "__main__.py"} <= {*names}
    assert "deploy/serving-requirements.txt" in names
    folders = {name.split("/")[0] for name in names if "/" in name}
    packages = configparser.ConfigParser()
    packages.read(ROOT / "setup.cfg")
    rooms = {
        name.split(".")[1]
        for name in packages["options"]["packages"].split()
        if name.count(".") == 1
    }
    assert folders == {*rooms, "deploy"}
    assert [name for name in names if name.startswith("deploy/")] == [
        "deploy/serving-requirements.txt"
    ]
    for step in BUILD:
        if step.name == "COPY":
            source = step.text.split()[0]
            assert source == "." or source in names


def options_of(arguments):
    """The options of a command line of `serve`, which are there."""
    assert arguments[:2] == ["bottlebank", "serve"] or arguments[0].endswith("/bottlebank")
    context = serve.run.make_context("serve", [*arguments[2:]], resilient_parsing=True)
    return context.params


def check_variables(variables):
    """Those of the program are options of `serve`, with values that they take."""
    for name, value in variables.items():
        if name.startswith("BOTTLEBANK_"):
            option = OPTIONS[name.removeprefix("BOTTLEBANK_").removeprefix("SERVE_").lower()]
            option.type.convert(value, option, None)


def test_the_variables_of_the_image_are_options():
    check_variables(dockerfile.environment(FINAL, ""))


def test_the_compose_file():
    [service] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values()
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert options_of(service["command"])["keys"] == "/run/keys/keys.txt"
    assert all(volume.endswith(":ro") for volume in service["volumes"])
    check_variables(service["environment"])
    assert int(service["stop_grace_period"].rstrip("s")) > grace_s()


def grace_s():
    return Settings.drain_s + Settings.shutdown_grace_s


def test_the_kubernetes_example():
    deployment, balancer = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert (
        balancer["spec"]["selector"].items()
        <= deployment["spec"]["template"]["metadata"]["labels"].items()
    )
    options = options_of(container["args"])
    assert options["keys"] == "/run/keys/keys.txt"
    probe = container["readinessProbe"]
    assert options["drain_s"] > probe["periodSeconds"] * probe["failureThreshold"]
    whole = options["drain_s"] + Settings.shutdown_grace_s
    assert pod["terminationGracePeriodSeconds"] > whole
    namespace, hosts = container["env"]
    assert namespace["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"
    value = hosts["value"].replace(f"$({namespace['name']})", "photos")
    check_variables({hosts["name"]: value})
    # By all of these, pods reach a service.
    name = balancer["metadata"]["name"]
    below = ("", ".photos", ".photos.svc", ".photos.svc.cluster.local")
    assert value.split(",") == [name + rest for rest in below]
    # Kubernetes would set BOTTLEBANK_PORT, which reads like a misspelt option.
    assert pod["enableServiceLinks"] is False


def unit():
    text = (DEPLOY / "bottlebank.service").read_text()
    return re.findall(r"(?m)^(\w+)=(.*)$", text)


def test_the_unit_of_systemd():
    settings = dict(unit())
    variables = [value.split("=") for name, value in unit() if name == "Environment"]
    check_variables(dict(variables))
    assert options_of(settings["ExecStart"].split())["log"] == "json"
    assert int(settings["TimeoutStopSec"]) > grace_s()
    for name, value in {
        "DynamicUser": "yes",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
    }.items():
        assert settings[name] == value


def test_systemd_accepts_its_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / "bottlebank.service"
    text = (DEPLOY / "bottlebank.service").read_text()
    path.write_text(text.replace("/opt/bottlebank/bin/bottlebank", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
