"""Wrong usage and failures: one clear line, the right exit code, no traceback, before any work."""

import os
import subprocess
import sys
from dataclasses import fields

import click
import pytest

from bottlebank.cli import program
from bottlebank.features.engines.registry import ENGINES
from bottlebank.service import Settings
from bottlebank.service.access.hosts import Hosts
from bottlebank.service.settings import LIMITS


def one_line(run) -> str:
    """The one line of complaint."""
    assert run.out == ""
    lines = run.err.splitlines()
    assert len(lines) == 1, run.err
    assert lines[0].startswith("bottlebank")
    assert "Traceback" not in run.err
    return lines[0]


def commands() -> list[list[str]]:
    def walk(group, names):
        if not isinstance(group, click.Group):
            return [names]
        context = click.Context(group)
        return [
            found
            for name in group.list_commands(context)
            for found in walk(group.get_command(context, name), [*names, name])
        ]

    return walk(program, [])


def test_the_commands_of_the_contract_are_there():
    assert sorted(" ".join(names) for names in commands()) == [
        "audit", "cache export", "cache import", "cache info", "cache prune", "cache verify",
        "compare", "demo", "evaluate", "export", "extract", "extractors", "finetune",
        "keys add", "keys list", "keys remove", "look adversarial", "look features",
        "look maximise", "look saliency", "look style", "plot",
        "predict", "recipe", "serve", "similar", "train",
    ]  # fmt: skip


@pytest.mark.parametrize("names", commands(), ids=" ".join)
def test_help_has_an_example_that_parses(bottlebank, parse, names):
    done = bottlebank(*names, "--help")
    assert done.code == 0
    examples = [line.strip() for line in done.out.split("Example:")[1].splitlines()]
    (example,) = [line for line in examples if line.startswith("bottlebank")]
    assert example.split()[1 : len(names) + 1] == names
    assert parse(*example.split()[1:])


@pytest.mark.parametrize("command", ["extract", "train", "plot", "evaluate"])
def test_data_that_is_not_there(bottlebank, tmp_path, head, command):
    arguments = {
        "train": ["--output", tmp_path / "h.h5"],
        "plot": ["--output", tmp_path / "m.png"],
        "evaluate": ["--head", head],
        "extract": [],
    }[command]
    done = bottlebank(command, tmp_path / "nowhere", *arguments)
    assert done.code == 2
    assert f"no such folder or file: {tmp_path}/nowhere" in one_line(done)
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n\0\x1b[31m")
    done = bottlebank(command, tmp_path / "x.h5", *arguments)
    assert done.code == 2
    assert "x.h5 is an HDF5 file, such as a head" in one_line(done)
    (tmp_path / "empty").mkdir()
    done = bottlebank(command, tmp_path / "empty", *arguments)
    assert done.code == 2
    assert "no images in" in one_line(done)


def test_one_class_only(bottlebank, photos, options, tmp_path, cache):
    for kind in ("stripes", "checks"):
        (photos / kind).rename(tmp_path / kind)
    done = bottlebank("train", photos, "--output", tmp_path / "h.h5", *options)
    assert done.code == 2
    assert "has one class only ('disc')" in one_line(done)
    assert sorted(path.name for path in cache.iterdir()) == ["networks"]  # no work was done


def test_unknown_extractor(bottlebank, photos):
    done = bottlebank("extract", photos, "--extractor", "mobilenet_v22")
    assert done.code == 2
    assert "unknown extractor 'mobilenet_v22': did you mean mobilenet_v2" in one_line(done)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["plot", "DATA", "--output", "map.pdf"], "ends in .png or .svg"),
        (["plot", "DATA", "--output", "map"], "ends in .png or .svg"),
        (["train", "DATA", "--output", "head.pkl"], "ends in .h5 or .hdf5"),
        (["cache", "export", "rows.csv"], "ends in .h5 or .hdf5"),
        (["extract"], "extract: missing DATA; see"),
        (
            ["extract", "DATA", "--engine", "torch"],
            f"--engine: expected one of auto, {', '.join(ENGINES)}, received 'torch'",
        ),
        (["extract", "DATA", "--commit-every", "0"], "at least 1, received '0'"),
        (["extract", "DATA", "--weights", "gone.h5"], "no weights file at gone.h5"),
        (["extract", "DATA", "--cache", ""], "--cache: expected a path, received nothing"),
        (["plot", "DATA", "--output", "m.png", "--seed", "-1"], "at least 0 and at most 42949"),
        (["serve", "--head", "h.h5", "--port", "99999"], "at most 65535, received '99999'"),
        (["serve", "--heads", "nowhere"], "no such folder: nowhere"),
        (["predict", "--head", "h.h5"], "missing IMAGE"),
        (
            ["serve", "--head", "h.h5", "--fetch-from", "a.example,127.0.0.1"],
            "--fetch-from: expected a host name such as images.example.com or "
            "*.example.com, without scheme, port or path; received '127.0.0.1': ",
        ),
        (
            ["serve", "--head", "h.h5", "--allowed-hosts", "127.0.0.1,*,http://a.example"],
            "--allowed-hosts: expected a host name such as",
        ),
        (["serve"], "expected one of --head and --heads, received neither"),
        (["fly"], "unknown command 'fly'"),
    ],
)
def test_arguments_without_sense(bottlebank, photos, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    done = bottlebank(*(photos if argument == "DATA" else argument for argument in arguments))
    assert done.code == 2
    assert complaint in one_line(done)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


@pytest.mark.parametrize("command", ["predict", "serve", "evaluate"])
def test_heads_that_are_missing_or_damaged(bottlebank, photos, head, cache, tmp_path, command):
    what = {"predict": [photos / "disc" / "00.png"], "evaluate": [photos], "serve": []}[command]
    done = bottlebank(command, *what, "--head", tmp_path / "gone.h5", "--cache", cache)
    assert done.code == 1
    assert f"no head file at {tmp_path}/gone.h5: make one with" in one_line(done)
    data = head.read_bytes()
    head.write_bytes(data[: len(data) // 2])
    done = bottlebank(command, *what, "--head", head, "--cache", cache)
    assert done.code == 1
    assert "is damaged or not a bottlebank head file" in one_line(done)
    flipped = bytearray(data)
    flipped[data.rindex(b"\x00" * 4) - 40] ^= 1
    head.write_bytes(flipped)
    done = bottlebank(command, *what, "--head", head, "--cache", cache)
    assert done.code == 1
    assert "damaged" in one_line(done)


@pytest.mark.parametrize("command", ["predict", "serve", "evaluate"])
def test_a_head_of_another_extractor(bottlebank, photos, head, cache, command):
    what = {"predict": [photos / "disc" / "00.png"], "evaluate": [photos], "serve": []}[command]
    done = bottlebank(command, *what, "--head", head, "--cache", cache, "--extractor", "vgg16")
    assert done.code == 1
    assert one_line(done).endswith(
        "was trained on random, not on vgg16: name random, or none, or a head that was trained on "
        "vgg16"
    )


def test_all_images_rejected(bottlebank, tmp_path, options, head):
    for kind in ("a", "b"):
        (tmp_path / "bad" / kind).mkdir(parents=True)
        (tmp_path / "bad" / kind / "x.jpg").write_text(f"words {kind}")
    for command in (
        ["train", tmp_path / "bad", "--output", tmp_path / "h.h5", *options],
        ["plot", tmp_path / "bad", "--output", tmp_path / "m.png", *options],
        ["evaluate", tmp_path / "bad", "--head", head, *options[-2:]],
    ):
        done = bottlebank(*command)
        assert done.code == 1
        complaint = one_line(done)
        assert "none of the 2 images can be used; the first, " in complaint
        assert "x.jpg: not an image" in complaint


def test_extract_fails_when_all_images_are_rejected(bottlebank, tmp_path, options):
    (tmp_path / "bad" / "a").mkdir(parents=True)
    (tmp_path / "bad" / "a" / "x.jpg").write_text("words")
    done = bottlebank("extract", tmp_path / "bad", *options)
    assert done.code == 1
    assert "1 image: 0 extracted" in done.out
    rejected, conclusion = done.err.splitlines()  # the reason once
    assert rejected.startswith("rejected ")
    assert conclusion == "bottlebank: 1 image, all rejected"
    done = bottlebank("extract", tmp_path / "bad", *options, "--json")
    assert (done.code, done.json["rejected"]) == (1, 1)


def test_equal_bytes_under_two_labels(bottlebank, photos, options, tmp_path):
    (photos / "checks" / "copy.png").write_bytes((photos / "disc" / "00.png").read_bytes())
    arguments = ["train", photos, "--output", tmp_path / "h.h5", *options]
    done = bottlebank(*arguments)
    assert done.code == 0
    assert "warning: 1 image has more than one label (such as" in done.err
    assert bottlebank(*arguments, "--strict").code == 1


def test_labels_that_the_head_does_not_know(bottlebank, photos, head, cache):
    (photos / "disc").rename(photos / "circle")
    arguments = ["--head", head, "--cache", cache, "--split", "all"]
    done = bottlebank("evaluate", photos, *arguments)
    assert done.code == 0
    assert "warning: the head does not know 'circle'; its images count as wrong" in done.err


def test_a_head_that_cannot_be_read(bottlebank, photos, tmp_path, cache):
    done = bottlebank("predict", photos, "--head", tmp_path, "--cache", cache)
    assert done.code == 1
    assert f"the head file {tmp_path} cannot be read: Is a directory" in one_line(done)


def test_control_characters_do_not_reach_the_terminal(bottlebank, photos, options):
    (photos / "disc" / "red\x1b[31m\nx.jpg").write_text("words")
    done = bottlebank("extract", photos, *options)
    assert "disc/red\\x1b[31m\\nx.jpg: not an image" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_cache_that_cannot_be_written(bottlebank, photos, tmp_path):
    (tmp_path / "file").touch()
    for cache in (tmp_path / "file", tmp_path / "file" / "below"):
        done = bottlebank("extract", photos, "--extractor", "random", "--cache", cache)
        assert done.code == 1
        assert "--cache" in one_line(done)


def test_a_cache_without_permission(bottlebank, photos, options, cache, monkeypatch):
    from pathlib import Path

    real = Path.mkdir

    def mkdir(self, *arguments, **settings):
        if str(self).startswith(str(cache)):
            raise PermissionError(13, "Permission denied")
        return real(self, *arguments, **settings)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    done = bottlebank("extract", photos, *options)
    assert done.code == 1
    assert "cannot be created: Permission denied" in one_line(done)


def test_an_output_folder_that_cannot_be_made(bottlebank, photos, options, tmp_path):
    (tmp_path / "file").touch()
    done = bottlebank("train", photos, "--output", tmp_path / "file" / "head.h5", *options)
    assert done.code == 2
    assert f"the folder {tmp_path}/file cannot be made" in one_line(done)


def test_a_port_in_use(bottlebank, head, cache):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = bottlebank("serve", "--head", head, "--cache", cache, "--port", port)
    assert done.code == 1
    assert str(port) in one_line(done)


def test_options_come_from_the_environment(bottlebank, photos, cache, monkeypatch):
    monkeypatch.setenv("BOTTLEBANK_EXTRACTOR", "random")
    monkeypatch.setenv("BOTTLEBANK_PRECISION", "float32")
    monkeypatch.setenv("BOTTLEBANK_CACHE", str(cache))
    monkeypatch.setenv("BOTTLEBANK_EXTRACT_JSON", "1")
    answer = bottlebank("extract", photos).json
    assert (answer["extractor"], answer["cache"]) == ("random", str(cache))
    done = bottlebank("extract", photos, "--extractor", "nonsense")
    assert "unknown extractor 'nonsense'" in done.err  # what is typed wins


def test_a_wrong_environment_names_the_variable(bottlebank, photos, monkeypatch, tmp_path):
    monkeypatch.setenv("BOTTLEBANK_ENGINE", "torch")
    done = bottlebank("extract", photos)
    assert done.code == 2
    assert f"BOTTLEBANK_ENGINE: expected one of auto, {', '.join(ENGINES)}, received" in one_line(
        done
    )
    monkeypatch.delenv("BOTTLEBANK_ENGINE")
    monkeypatch.setenv("BOTTLEBANK_EXTRACT_COMMIT_EVERY", "many")
    done = bottlebank("extract", photos)
    assert done.code == 2
    assert "BOTTLEBANK_EXTRACT_COMMIT_EVERY: expected a whole number" in one_line(done)


@pytest.fixture
def served(bottlebank, monkeypatch):
    """Run `bottlebank serve` up to its settings."""

    class StopHere(Exception):  # noqa: N818 (it is not an error)
        """Instead of a service."""

    def serve(*arguments):
        found = []

        def stop(**settings):
            found.append(settings)
            raise StopHere

        monkeypatch.setattr("bottlebank.cli.serve.Settings", stop)
        bottlebank("serve", *arguments)
        return found[0]

    bottlebank("serve", "--help")  # imports it
    return serve


def test_of_options_that_exclude_one_another_what_is_typed_wins(served, bottlebank, monkeypatch):
    monkeypatch.setenv("BOTTLEBANK_SERVE_HEAD", "from-the-environment.h5")
    settings = served("--heads", "heads")
    assert (settings["head"], settings["heads"]) == (None, "heads")
    assert served()["head"] == "from-the-environment.h5"
    monkeypatch.setenv("BOTTLEBANK_SERVE_HEADS", "heads")
    assert "expected one of --head and --heads, received both" in one_line(bottlebank("serve"))


def test_every_number_among_the_settings_of_the_service_is_a_flag(served):
    numbers = {field.name for field in fields(Settings) if isinstance(field.default, int)}
    assert numbers == set(LIMITS)
    flags = [f"--{name.replace('_', '-')}=3" for name in numbers]
    settings = served("--head", "h.h5", *flags)
    assert {name: settings[name] for name in numbers} == dict.fromkeys(numbers, 3)
    assert set(settings) == {field.name for field in fields(Settings)}


def test_an_unexpected_error_is_one_line_too(bottlebank, photos, options, monkeypatch):
    from bottlebank.extraction.run import Run

    def fail(*arguments):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(Run, "_extract", fail)
    done = bottlebank("extract", photos, *options)
    assert done.code == 1
    assert "unexpected ZeroDivisionError: of all things (BOTTLEBANK_DEBUG=1" in one_line(done)


def test_a_reader_that_goes_away_is_no_error(photos, head, cache):
    command = [sys.executable, "-m", "bottlebank", "predict", *[str(photos)] * 20]
    command += ["--head", str(head), "--cache", str(cache)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()
    assert complaint == b""
    assert process.returncode == 0


def test_the_version(bottlebank):
    import bottlebank as package

    assert bottlebank("--version").out == f"bottlebank {package.__version__}\n"


@pytest.mark.skipif(
    os.geteuid() == 0, reason="root can read everything; the error is injected elsewhere"
)
def test_a_folder_without_permission(bottlebank, photos, options):
    (photos / "disc").chmod(0)
    try:
        done = bottlebank("extract", photos, *options, "--json")
    finally:
        (photos / "disc").chmod(0o755)
    assert done.code == 0
    assert done.json["rejections"] == [
        {"path": f"{photos}/disc", "reason": "the folder cannot be listed: Permission denied"}
    ]


def test_choices_are_those_of_the_library():
    """They are written twice, since help must not wait for the library."""
    from bottlebank.cli.parameters import choices
    from bottlebank.features.backbones import spec
    from bottlebank.features.images import colours, view_rules
    from bottlebank.features.images import decoder as images
    from bottlebank.features.images import fit as preprocess
    from bottlebank.prediction import parity

    assert choices.FITS == preprocess.FITS
    assert choices.GREY16 == colours.GREY16
    assert choices.POOLINGS == spec.POOLINGS
    assert choices.PARITY == parity.PARITY
    assert tuple(view_rules.RULES) == choices.VIEW_RULES
    assert choices.MOST_VIEWS == view_rules.MOST_VIEWS
    assert choices.MAX_PIXELS == images.MAX_PIXELS


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        ((), "localhost and to IP addresses; --allowed-hosts adds other names"),
        (("10.0.0.1",), "; --allowed-hosts adds other names"),
        (("b.example", "*.lan"), "to localhost, to IP addresses, and to *.lan, b.example"),
        (("b.example", "*"), "it answers to every host name"),
    ],
)
def test_serve_says_as_whom_it_answers(allowed, said):
    assert str(Hosts(allowed)).endswith(said)


def test_extractors_are_repeated_or_separated_by_commas(parse, tmp_path, monkeypatch):
    def extractors(*given):
        arguments = [each for name in given for each in ("--extractors", str(name))]
        return parse("compare", "photos", *arguments)["extractors"]

    assert extractors("random,MobileNetV2") == ["random", "MobileNetV2"]
    assert extractors("random", "vgg16,random") == ["random", "vgg16"]
    monkeypatch.chdir(tmp_path)
    for name in ("random,vgg16", "my, network.onnx"):
        (tmp_path / name).touch()
    assert extractors("my, network.onnx", "random") == ["my, network.onnx", "random"]
    assert extractors(tmp_path / "my, network.onnx") == [f"{tmp_path}/my, network.onnx"]
    assert extractors("random,vgg16") == ["random", "vgg16"], "names are names"
    assert extractors("mobilnet,random") == ["mobilnet", "random"], "so that each is judged"
    monkeypatch.setenv("BOTTLEBANK_COMPARE_EXTRACTORS", "my, network.onnx")
    assert extractors() == ["my, network.onnx"]
