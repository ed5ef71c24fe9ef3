"""Options from environment variables: which variable sets what, and which is not read."""

import click
import pytest

from bottlebank.classifier.registry import HEADS
from bottlebank.cli import program
from bottlebank.cli.usage.environment import variables_of

from .test_usage import commands, one_line


def options_of(names):
    """The options of a command and the context in which their variables have their names."""
    context = click.Context(program, info_name="bottlebank", auto_envvar_prefix="BOTTLEBANK")
    for name in names:
        context = click.Context(context.command.get_command(context, name), context, name)
    params = context.command.params
    return context, [each for each in params if isinstance(each, click.Option) and each.name]


def test_a_variable_is_of_one_command_or_means_the_same_in_all():
    meanings = {}
    for names in commands():
        context, options = options_of(names)
        for option in options:
            for variable in variables_of(option, context):
                meanings.setdefault(variable, set()).add((" ".join(names), option.name))
    shared = {name for name, found in meanings.items() if len(found) > 1}
    assert shared == {
        f"BOTTLEBANK_{name}" for name in ("CACHE", "EXTRACTOR", "ENGINE", "PRECISION")
    }
    assert {option for _, option in meanings["BOTTLEBANK_CACHE"]} == {"cache"}
    assert meanings["BOTTLEBANK_TRAIN_HEAD"] == {("train", "head")}
    assert meanings["BOTTLEBANK_CACHE_EXPORT_DATA"] == {("cache export", "data")}
    assert meanings["BOTTLEBANK_DEMO_CACHE"] == {("demo", "cache")}
    assert ("demo", "cache") not in meanings["BOTTLEBANK_CACHE"]


@pytest.mark.parametrize("names", commands(), ids=" ".join)
def test_help_names_the_variables(bottlebank, names):
    text = " ".join(bottlebank(*names, "--help").out.split())
    context, options = options_of(names)
    for option in options:
        for variable in variables_of(option, context):
            pattern = f"{context.auto_envvar_prefix}_<OPTION>"
            assert variable in text or (option.envvar is None and pattern in text)


@pytest.mark.parametrize(
    ("option", "expected"),
    [("KEYS", "expected a path, received nothing"), ("RATE_LIMIT", "expected a number of")],
)
def test_an_empty_variable_of_what_protects_a_server_opens_nothing(
    bottlebank, parse, monkeypatch, option, expected
):
    """As `${KEYS}` gives where the shell has no such variable."""
    monkeypatch.setenv(f"BOTTLEBANK_SERVE_{option}", "")
    complaint = one_line(bottlebank("serve", "--head", "head.h5"))
    assert f"serve: BOTTLEBANK_SERVE_{option}: {expected}" in " ".join(complaint.split())
    typed = {"KEYS": "keys.txt", "RATE_LIMIT": "5/s"}[option]
    assert parse("serve", f"--{option.lower().replace('_', '-')}", typed)[option.lower()] == typed


@pytest.mark.parametrize(
    "option", ["ALLOWED_HOSTS", "CORS_ORIGINS", "TRUSTED_PROXIES", "FETCH_FROM", "PREFIX", "HEAD"]
)
def test_an_empty_variable_of_what_opens_a_server_is_not_set(parse, monkeypatch, option):
    monkeypatch.setenv(f"BOTTLEBANK_SERVE_{option}", "")
    assert not parse("serve")[option.lower()]


def test_a_setting_of_one_command_leaves_the_others_alone(parse, monkeypatch):
    monkeypatch.setenv("BOTTLEBANK_SERVE_HEADS", "heads/")
    assert parse("serve")["heads"] == "heads/"
    assert parse("compare", "photos")["heads"] == [*HEADS]
    monkeypatch.setenv("BOTTLEBANK_COMPARE_HEADS", "knn")
    assert parse("compare", "photos")["heads"] == ["knn"]
    assert parse("compare", "photos", "--heads", "dense")["heads"] == ["dense"]


def test_compare_takes_the_extractor_of_all_commands(parse, monkeypatch):
    monkeypatch.setenv("BOTTLEBANK_EXTRACTOR", "vgg16")
    assert parse("compare", "photos")["extractors"] == ["vgg16"]
    assert parse("extract", "photos")["extractor"] == "vgg16"
    monkeypatch.setenv("BOTTLEBANK_COMPARE_EXTRACTORS", "random,mobilenet_v2")
    assert parse("compare", "photos")["extractors"] == ["random", "mobilenet_v2"]


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("yes", True), ("0", False), ("false", False), ("", False)]
)
def test_a_flag_from_the_environment(parse, monkeypatch, value, expected):
    monkeypatch.setenv("BOTTLEBANK_EXTRACT_JSON", value)
    assert parse("extract", "photos")["json"] is expected


def test_a_flag_that_is_neither_on_nor_off_is_refused(bottlebank, monkeypatch):
    monkeypatch.setenv("BOTTLEBANK_EXTRACT_JSON", "maybe")
    complaint = one_line(bottlebank("extract", "photos"))
    assert "extract: BOTTLEBANK_EXTRACT_JSON: expected 1 or 0, received 'maybe'; see" in complaint


def test_help_and_version_are_not_settings(bottlebank, monkeypatch, tmp_path):
    for name in ("BOTTLEBANK_VERSION", "BOTTLEBANK_HELP"):
        monkeypatch.setenv(name, "1")
    done = bottlebank("cache", "info", "--cache", tmp_path)
    assert (done.out.split()[0], done.err) == ("cache:", "")


@pytest.mark.parametrize("variable", ["BOTTLEBANK_YES", "BOTTLEBANK_CACHE_PRUNE_YES"])
def test_the_environment_deletes_nothing(bottlebank, photos, options, cache, monkeypatch, variable):
    bottlebank("extract", photos, *options)
    (photos / "disc" / "00.png").unlink()
    monkeypatch.setenv(variable, "1")
    done = bottlebank("cache", "prune", "--cache", cache)
    assert done.err == f"note: {variable} is not read: --yes has to be typed\n"
    assert "add --yes to do this" in done.out
    assert bottlebank("cache", "info", "--cache", cache, "--json").json["recipes"][0]["rows"] == 60


@pytest.mark.parametrize(
    ("arguments", "variable", "remark"),
    [
        (["serve"], "BOTTLEBANK_HEADS", "is not read: set BOTTLEBANK_SERVE_HEADS"),
        (["predict"], "BOTTLEBANK_TOP", "is not read: set BOTTLEBANK_PREDICT_TOP"),
        (["train"], "BOTTLEBANK_HEAD_KIND", "is not read: set BOTTLEBANK_TRAIN_HEAD in"),
        (
            ["serve"],
            "BOTTLEBANK_SERVE_PROT",
            "no option has this name; did you mean 'BOTTLEBANK_SER",
        ),
        (["extract"], "BOTTLEBANK_EXTRACT_CACHE", "is not read: set BOTTLEBANK_CACHE in its place"),
        (
            ["cache", "import"],
            "BOTTLEBANK_JSON",
            "is not read: set BOTTLEBANK_CACHE_IMPORT_JSON in",
        ),
    ],
)
def test_a_variable_that_is_not_read_is_noted(bottlebank, monkeypatch, arguments, variable, remark):
    monkeypatch.setenv(variable, "1")
    done = bottlebank(*arguments)
    assert done.code == 2
    note, error = done.err.splitlines()
    assert note.startswith(f"note: {variable} ")
    assert remark in note
    assert error.startswith("bottlebank ")


def test_variables_of_others_are_no_concern(bottlebank, monkeypatch):
    for name in ("BOTTLEBANK_SERVE_PORT", "BOTTLEBANK_HEAD", "BOTTLEBANK_TEST_DATA", "BOTTLEBANK"):
        monkeypatch.setenv(name, "1")
    assert bottlebank("cache", "info").err == ""
    assert len(bottlebank("train").err.splitlines()) == 1
