"""What every storage of shards must do, whatever it is."""

import contextlib

import pytest

from bottlebank.errors import CacheLockedError


def read(storage):
    with storage.open("blob") as file:
        return file.read()


class StorageContract:
    """Subclass it, with a fixture `storage`: an empty one."""

    def test_what_was_put_is_read_in_ranges(self, storage):
        with storage.writing():
            storage.put("blob", [b"01234", memoryview(b"56789"), b""])
        part = bytearray(4)
        with storage.open("blob") as file:
            file.seek(3)
            assert file.readinto(part) == 4
            assert file.seek(0, 2) == 10
        assert part == b"3456"

    def test_what_is_not_there(self, storage):
        assert storage.list() == []
        assert storage.below("a").below("b").list() == []
        with pytest.raises(FileNotFoundError):
            storage.open("blob")
        storage.delete("blob")

    def test_a_blob_is_never_written_over_unless_that_is_asked_for(self, storage):
        with storage.writing():
            storage.put("blob", [b"one"])
            with pytest.raises(FileExistsError, match="blob"):
                storage.put("blob", [b"two"])
            assert read(storage) == b"one"
            storage.put("blob", [b"two"], replace=True)
        assert read(storage) == b"two"

    def test_of_two_that_put_one_blob_the_first_to_end_has_put_it(self, storage):
        def parts():
            yield b"one"
            storage.put("blob", [b"two"])
            yield b"one"

        with storage.writing():
            with pytest.raises(FileExistsError, match="blob"):
                storage.put("blob", parts())
            assert read(storage) == b"two"
            assert "blob" in storage.list()

    def test_parts_that_fail_leave_nothing(self, storage):
        def parts():
            yield b"one"
            raise ValueError("no more")

        with storage.writing():
            with pytest.raises(ValueError, match="no more"):
                storage.put("blob", parts())
            storage.put("blob", [b"whole"])
        assert read(storage) == b"whole"

    def test_folders_hold_blobs_of_their_own(self, storage):
        for name in ("a", "b"):
            below = storage.below(name)
            with below.writing():
                below.put("blob", [name.encode()])
                assert below.where.parent == storage.where
        assert sorted(storage.list()) == ["a", "b"]
        assert read(storage.below("b")) == b"b"
        storage.delete("a")
        assert storage.list() == ["b"]
        assert storage.below("a").list() == []
        storage.below("b").delete("blob")
        assert "blob" not in storage.below("b").list()

    def test_a_second_writer_of_a_folder_is_refused_until_the_first_has_ended(self, storage):
        below = storage.below("a")

        def fail():
            with below.writing():
                raise KeyboardInterrupt

        with below.writing(), storage.below("b").writing():
            refused = pytest.raises(CacheLockedError, match="is being written by")
            with refused, storage.below("a").writing():
                pass
        with contextlib.suppress(KeyboardInterrupt):
            fail()
        with below.writing():
            pass
