"""Maps that are kept: read again, grown without moving anybody, and laid out anew on demand."""

import numpy as np
import pytest

from bottlebank.errors import UsageError
from bottlebank.reports.layouts import lay_out
from bottlebank.viz import reduce
from bottlebank.viz.map_methods import METHODS

from ..toys.toy_table import toy_rows, toy_table

N, K = 90, 3
ROWS, CODES = toy_rows(N, K)


@pytest.fixture
def table(tmp_path):
    """A table of the images that are wanted."""
    (tmp_path / ("0" * 64)).mkdir()
    whole = toy_table(ROWS, [f"класс {code}" for code in CODES], tmp_path)
    return lambda rows=range(N): whole.some(np.array(rows))


@pytest.fixture
def count(monkeypatch):
    """How often images were laid out."""
    from bottlebank.reports import layouts

    calls = []
    real = layouts.laid_out
    monkeypatch.setattr(layouts, "laid_out", lambda *given: calls.append(1) or real(*given))
    return calls


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_is_made_once(method, table, count):
    first = lay_out(table(), method)
    reduced = reduce(ROWS, method, labels=table().labels.tolist())
    np.testing.assert_array_equal(first.points, reduced.points)
    assert (first.caption, first.trust, first.shares) == (
        *(reduced.caption, reduced.trust, reduced.shares),
    )
    again = lay_out(table(), method)
    np.testing.assert_array_equal(again.points, first.points)
    assert (again.caption, again.trust, again.n_placed) == (first.caption, first.trust, 0)
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_array_equal(lay_out(table(order), method).points, first.points[order])
    assert len(count) == 1
    np.testing.assert_array_equal(lay_out(table(), method, fresh=True).points, first.points)
    assert len(count) == 2
    lay_out(table(), method, random_state=1)
    assert len(count) == 3


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_new_images_move_nobody_and_lie_where_they_would_alone(method, table, count, caplog):
    before = lay_out(table(range(70)), method).points
    grown = lay_out(table(), method)
    np.testing.assert_array_equal(grown.points[:70], before)
    assert grown.n_placed == 20
    assert "; 20 of 90 images placed on it later; trustworthiness 0." in grown.caption
    alone = lay_out(table([*range(70), 85]), method)
    np.testing.assert_array_equal(alone.points[-1], grown.points[85])
    mixed = lay_out(table([85, *range(69, -1, -1)]), method)
    np.testing.assert_array_equal(mixed.points, [grown.points[85], *before[::-1]])
    assert len(count) == 1
    assert grown.trust.neighbourhood_hit > 0.6
    assert "20 of 90 images were only placed" in caplog.text
    assert caplog.text.count("--fresh, or fresh=True, lays all of them out anew") == 1


def test_what_is_gone_moves_nobody(table, count):
    before = lay_out(table(), "tsne").points
    after = lay_out(table(range(30, N)), "tsne").points
    np.testing.assert_array_equal(after, before[30:])
    assert len(count) == 1
    lay_out(table(range(30)), "tsne")  # a third of them: a map of its own
    assert len(count) == 2


def test_a_method_that_makes_other_maps_lays_them_out_anew(table, count, monkeypatch):
    lay_out(table())
    lay_out(table())
    assert len(count) == 1
    changed = METHODS["pca"]._replace(rule=METHODS["pca"].rule + 1)
    monkeypatch.setitem(METHODS, "pca", changed)
    lay_out(table())
    assert len(count) == 2


def test_fresh_is_what_is_grown_from_then_on(table):
    lay_out(table(range(60)), "tsne")
    lay_out(table(range(80)), "tsne", fresh=True)
    assert lay_out(table(), "tsne").n_placed == 10


def test_copies_share_a_place(table, tmp_path):
    doubled = [*range(40), *range(40), 0, 0]
    embedding = lay_out(table(doubled))
    np.testing.assert_array_equal(embedding.points[40:80], embedding.points[:40])
    again = lay_out(table([0, *doubled]))
    np.testing.assert_array_equal(again.points[1:], embedding.points)
    only = lay_out(table([5, 5, 5]))
    np.testing.assert_array_equal(only.points, np.zeros((3, 2)))
    assert only.caption == "One place for all images, which have the same transfer values"


@pytest.mark.parametrize(("method", "dimensions"), [("pca", 2), ("tsne", 3)])
def test_a_map_of_one_place_is_of_no_other_images(method, dimensions, tmp_path):
    (tmp_path / ("0" * 64)).mkdir()
    rows = np.concatenate([np.ones((12, K)), np.arange(12 * K).reshape(12, K) ** 1.5])
    both = toy_table(rows.astype(np.float32), ["帽子"] * 24, tmp_path)
    same = lay_out(both.some(np.arange(12)), method, dimensions=dimensions)
    assert not same.points.any()
    grown = lay_out(both, method, dimensions=dimensions)
    assert np.ptp(grown.points, axis=0).all()
    assert "One place" not in grown.caption
    assert grown.n_placed == 0


def test_odd_tables(table, tmp_path):
    constant = toy_table(np.ones((7, 4), np.float32), ["<script>"] * 7, tmp_path / "b")
    for _ in range(2):
        np.testing.assert_array_equal(lay_out(constant, "tsne").points, np.zeros((7, 2)))
    two = lay_out(table([0, 1]), "umap", dimensions=3)
    assert two.points.shape == (2, 3)
    assert two.trust is None
    many = toy_table(*((rows := toy_rows(400, 200))[0], rows[1].astype(str)), tmp_path / "c")
    assert lay_out(many).trust.neighbourhood_hit < 0.2
    broken = table()
    broken.features[3, 2] = np.nan
    with pytest.raises(UsageError, match=r"1 of 90 rows hold NaN or infinity, the first is row 3"):
        lay_out(broken)
    with pytest.raises(UsageError, match="perplexity is 40; of 90 images it is at most 29.66"):
        lay_out(table(), "tsne", perplexity=40)
