"""Each flag's help says what the flag does and in what range, and the stated range is the checked one."""

import dataclasses
import re

import pytest
from test_documentation import MODULES, described

from svg_tf.config import Config, ConfigError

_RANGE = re.compile(r"\b\d[\d,]* or (?:more|greater)|above \d|\b\d[\d,]* to \d|more than n_past|1 grey, 3 colour")
_NUMBERS = {field.name: field for field in dataclasses.fields(Config) if field.type in (int, float)}
_WITH = {"image_width": {"digit_size": 16}, "beta_warmup_steps": {"beta_schedule": "linear"}}


@pytest.mark.parametrize("module", MODULES)
def test_help_texts(module):
    for name, flag in described(module)["flags"].items():
        text = re.sub(r"^<.*?>: ", "", flag["help"])
        assert len(text.split()) > 2 and not text.endswith("."), f"{name}: {text}"
        assert not re.search(r"\bdefault(s to|:| is)", text), f"{name} repeats its default: {text}"
        if flag["type"] in ("int", "float"):
            assert flag["bounds"] or _RANGE.search(text), f"{name} has no range: {text}"
        if flag["type"].startswith("string") and flag["default"] == "":
            assert "empty" in text, f"{name} does not say what an empty value means: {text}"


@pytest.mark.parametrize("module", MODULES)
def test_flags_are_known_before_anything_heavy_is_imported(module):
    assert described(module)["heavy"] == []


def _least(name):
    """Return the lowest value that the help allows, or None."""
    found = re.search(r"(\d+) or (?:more|greater)|above (\d+)|(\d+) to \d", _NUMBERS[name].metadata["help"])
    return next(int(number) for number in found.groups() if number) if found else None


def test_values_below_the_range_are_refused():
    assert len([name for name in _NUMBERS if _least(name) is not None]) > 25
    for name, field in _NUMBERS.items():
        if (least := _least(name)) is not None:
            too_low = field.type(least) if "above" in field.metadata["help"] else field.type(least - 1)
            with pytest.raises(ConfigError, match=rf"\b{name}\b"):
                Config(**{name: too_low}, **_WITH.get(name, {}))


@pytest.mark.parametrize("name", sorted(_NUMBERS))
def test_the_lowest_value_of_the_range_is_accepted(name):
    least = _least(name)
    if least is None or "above" in _NUMBERS[name].metadata["help"]:
        least = _NUMBERS[name].default
    assert getattr(Config(**{name: least}, **_WITH.get(name, {})), name) == least
