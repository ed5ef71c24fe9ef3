"""Names that are nearly right, and commands of which nothing but the name is typed."""

import pytest

from bottlebank.cli.usage.mistakes import did_you_mean


@pytest.mark.parametrize(
    ("arguments", "known"), [([], ["extract", "demo"]), (["cache"], ["verify", "import"])]
)
def test_a_bare_command_answers_with_its_help(bottlebank, arguments, known):
    done = bottlebank(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err == bottlebank(*arguments, "--help").out
    assert bottlebank(*arguments, "--").err == done.err
    assert all(f"  {name} " in done.err for name in known)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["trian", "photos"],
            "bottlebank: unknown command 'trian'; expected one of extract, train,",
        ),
        (["trian", "photos"], "; did you mean 'train'?; see"),
        (["cache", "verfy"], "; did you mean 'verify'?; see"),
        (["plot", "photos", "-o", "m.png", "--method", "t-sne"], "; did you mean 'tsne'?; see"),
        # Not that --output is required, which was the complaint.
        (["train", "photos", "--ouput", "h.h5"], "train: unknown option --ouput; did you"),
        (["train", "photos", "--ouput=h.h5"], "; did you mean '--output'?; see"),
        (["extract", "--extracter", "random", "photos"], "; did you mean '--extractor'?; see"),
        (["extract", "photos", "--json-lines"], "; did you mean '--json'?; see"),
        (["--verson"], "bottlebank: unknown option --verson; did you mean '--version'?"),
        (["extract", "photos", "-x"], "extract: unknown option -x; see"),
        (["fly"], "cache, demo; see"),
        (
            ["extract", "s8", "a", "b"],
            "extract: unexpected arguments a b; expected one DATA; see",
        ),
        (["extract", "s8", "a"], "see `bottlebank extract --help`"),
        (
            ["cache", "import", "a", "b"],
            "import: unexpected argument b; expected one SOURCE; see",
        ),
        (["cache", "info", "a"], "info: unexpected argument a; expected options only; see"),
    ],
)
def test_what_may_have_been_meant(bottlebank, arguments, complaint):
    done = bottlebank(*arguments)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.err
    assert len(done.err.splitlines()) == 1


def test_nothing_is_suggested_that_is_far_away():
    assert did_you_mean("fly", ["train", "extract", "serve"]) == ""
    assert did_you_mean("", ["train"]) == ""


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["extract", "--", "-photos"], "data", "-photos"),
        (["predict", "-1.png", "--head", "h.h5"], "images", ("-1.png",)),
        (["predict", "a b", "--head=h.h5"], "images", ("a b",)),
        (["predict", "-a b", "--head=h.h5", "--", "--c"], "images", ("-a b", "--c")),
        (["predict", "a", "--head", "h.h5", "b"], "images", ("a", "b")),
        (["predict", "-", "--head", "h.h5"], "images", ("-",)),
        (["plot", "photos", "-o", "map.png"], "output", "map.png"),
        (["train", "photos", "-ohead.h5"], "output", "head.h5"),
        (["train", "photos", "-o=head.h5"], "output", "head.h5"),
        (["train", "photos", "--output=--head.h5"], "output", "--head.h5"),
        (["train", "--output=a=b.h5", "photos"], "output", "a=b.h5"),
        (["train", "photos", "--output=my head.h5"], "output", "my head.h5"),
        (["train", "photos", "-omy head.h5"], "output", "my head.h5"),
        (["train", "photos", "-o=my head.h5"], "output", "my head.h5"),
        (["predict", "a", "--head=h h.h5"], "head", "h h.h5"),
        (["predict", "--head=h.h5", "--nothing=a b"], "images", ("--nothing=a b",)),
        (["train", "photos", "-o", "a.h5", "-o", "b.h5"], "output", "b.h5"),
        (["demo", "-o", "here"], "output", "here"),
        (["extract", "\udcff.csv"], "data", "\udcff.csv"),
    ],
)
def test_arguments_that_only_look_wrong_are_taken(parse, arguments, name, value):
    assert parse(*arguments)[name] == value


@pytest.mark.parametrize("columns", ["20", "40", "80", "200"])
def test_help_fits_the_terminal(bottlebank, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    done = bottlebank("--help")
    assert done.code == 0
    commands = ("  bottlebank ", "  eval ")  # to be copied in one piece
    words = [line for line in done.out.splitlines() if not line.startswith(commands)]
    assert [line for line in words if len(line) > max(int(columns), 40)] == []
