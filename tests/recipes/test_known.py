"""The table of known systems: each line can be what `extract` and `train_head` take."""

import pytest

from bottlebank.classifier.registry import HEADS
from bottlebank.classifier.settings import NETWORK
from bottlebank.errors import UsageError
from bottlebank.features import ExtractorSpec, find_backbone
from bottlebank.features.backbones.opening import configured
from bottlebank.features.images.view_rules import require_views
from bottlebank.recipes.known import BASELINE, SYSTEMS, require_system
from bottlebank.training.head_settings import HeadSettings


@pytest.mark.parametrize("name", SYSTEMS)
def test_its_settings_mean_something(name):
    system = SYSTEMS[name]
    settings = dict(system.extraction)
    backbone = find_backbone(settings.pop("extractor"))
    require_views(settings.pop("views", 0), settings.pop("view_rule", "mixed"))
    assert (settings.pop("precision", None) == "float32") == (system.export is not None)
    spec = ExtractorSpec.of(backbone.name, **settings)
    assert configured(backbone, spec).input_size_px == settings.get("size", backbone.input_size_px)
    if system.head is None:
        assert name == BASELINE
        return
    assert set(system.network) <= set(NETWORK) & set(HEADS[system.head].settings)
    assert HeadSettings(system.head, network=system.network).network == system.network
    if system.beside is not None:
        ExtractorSpec.of(backbone.name, **{**settings, **system.beside[1]})


def test_the_four_that_people_know_and_what_they_are_to_beat():
    assert list(SYSTEMS) == ["selfie", "scene36", "good-selfie", "front-back", "baseline"]
    with pytest.raises(UsageError, match="unknown recipe 'selfy': expected selfie, scene36, "):
        require_system("selfy")
