"""`bottlebank similar` answers what `bb.similar` does."""

import pytest

import bottlebank as bb


@pytest.mark.slow
def test_the_command_finds_what_python_finds(bottlebank, photos, table, options):
    image = table.paths[3]
    done = bottlebank("similar", image, "--data", photos, "--top", 4, *options, "--json")
    assert done.code == 0, done.err
    found = bb.similar(image, table, 4)
    assert done.json["nearest"] == [vars(each) for each in found]
    assert done.json["same"] == [vars(each) for each in found.same]
    assert done.json["images"] == len(table)
    told = bottlebank("similar", image, "--data", photos, "--top", 4, *options).out.splitlines()
    assert told[0].split() == ["same", found.same[0].label, image]
    for line, each in zip(told[1:5], found, strict=True):
        assert line.split() == [f"{each.similarity:.3f}", each.label, each.path]


def test_the_command_refuses_before_any_work(bottlebank, tmp_path):
    done = bottlebank("similar", tmp_path / "gone.jpg", "--data", tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "gone.jpg" in done.err
    assert bottlebank("similar", tmp_path, "--data", tmp_path).code == 2
