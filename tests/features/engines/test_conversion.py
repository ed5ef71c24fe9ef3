import os

from bottlebank.features.engines.conversion import _keep


def test_a_network_is_kept_where_a_pipe_was(tmp_path):
    made, kept = tmp_path / "made", tmp_path / "networks" / ("f" * 64)
    made.mkdir()
    kept.parent.mkdir()
    (made / "network.xml").write_text("new")
    for harm in (os.mkfifo, os.mkdir, lambda path: path.symlink_to("nothing"), lambda path: None):
        harm(kept)
        _keep(made, kept, 64)
        assert [path.name for path in kept.iterdir()] == ["network.xml"]
        assert list(kept.parent.iterdir()) == [kept]
        for path in kept.iterdir():
            path.unlink()
        kept.rmdir()
