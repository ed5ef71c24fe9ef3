import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottlebank.cache import Key, KeyArray, content_of_bytes

views = st.one_of(st.just(0), st.integers(0, 2**32 - 1))
keys = st.builds(Key, st.binary(min_size=32, max_size=32), views)


@given(keys)
def test_a_key_is_read_from_its_text(key):
    assert Key.parse(str(key)) == key


def test_the_key_of_an_image_itself_is_the_hash_of_its_file():
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of FIPS 180
    key = Key(content_of_bytes(b"abc"))
    assert str(key) == digest
    assert Key.parse(f"{digest}:3") == (key.content, 3)


@pytest.mark.parametrize(
    "text", ["", "ab", "g" * 64, "A" * 64, "a" * 65, "a" * 64 + ":0", "a" * 64 + ":4294967296"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="is not a key: expected 64 hexadecimal digits"):
        Key.parse(text)


@given(st.lists(keys, max_size=8))
def test_arrays_of_keys_are_packed_and_unpacked(some):
    array = KeyArray.of(some)
    packed = array.packed()
    assert packed.shape == (len(some), 36 if any(key.view for key in some) else 32)
    again = KeyArray.unpack(packed)
    assert again.equals(array)
    assert again.to_list() == some
    rows = np.arange(len(some))[::-1]
    assert again.take(rows).to_list() == some[::-1]


def test_keys_differ_by_content_and_by_view():
    one, other = Key(b"a" * 32), Key(b"a" * 31 + b"b")
    assert not KeyArray.of([one]).equals(KeyArray.of([other]))
    assert not KeyArray.of([one]).equals(KeyArray.of([one._replace(view=1)]))


@pytest.mark.parametrize("shape", [(3, 33), (3,), (3, 32, 1)])
def test_packed_keys_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="keys of shape"):
        KeyArray.unpack(np.zeros(shape, np.uint8))
