"""Every flag says what it is, in what range, and what is done without it; and what it says holds."""

import dataclasses
import re

import pytest
from test_documentation import asked, scripts

from svg_tf.config import Config, ConfigError

_RANGE = re.compile(
    r"\b\d[\d,]* or more|above \d|\b\d[\d,]* to \d|more than n_past|channels of a frame: 1 grey, 3 colour"
)
_NUMBERS = {field.name: field for field in dataclasses.fields(Config) if field.type in (int, float)}
_WITH = {"image_width": {"digit_size": 16}, "beta_warmup_steps": {"beta_schedule": "linear"}}


def _told(script):
    return asked()[script][1]["flags"]


def _least(name):
    """The least value that the help of a field allows, or none where it speaks of another field."""
    found = re.search(r"(\d+) or more|above (\d+)|(\d+) to \d", _NUMBERS[name].metadata["help"])
    return next(int(number) for number in found.groups() if number) if found else None


@pytest.mark.parametrize("script", scripts())
def test_every_number_has_a_range(script):
    for name, flag in _told(script).items():
        if flag["type"] in ("int", "float"):
            assert flag["bounds"] or _RANGE.search(flag["help"]), f"{name}: {flag['help']}"


@pytest.mark.parametrize("script", scripts())
def test_every_text_says_something_and_no_default(script):
    for name, flag in _told(script).items():
        text = re.sub(r"^<.*?>: ", "", flag["help"])
        assert len(text.split()) > 2 and not text.endswith("."), f"{name}: {text}"
        assert not re.search(r"\bdefault(s to|:| is)", text), (
            f"{name} says its default, which is printed anyway: {text}"
        )


@pytest.mark.parametrize("script", scripts())
def test_a_text_that_may_be_empty_says_what_that_means(script):
    for name, flag in _told(script).items():
        if flag["type"].startswith("string") and flag["default"] == "":
            assert "empty" in flag["help"], f"{name}: {flag['help']}"


def test_the_ranges_of_the_configuration_are_those_that_are_checked():
    assert len([name for name in _NUMBERS if _least(name) is not None]) > 25
    for name, field in _NUMBERS.items():
        least = _least(name)
        if least is None:
            continue
        too_low = field.type(least) if "above" in field.metadata["help"] else field.type(least - 1)
        with pytest.raises(ConfigError, match=rf"\b{name} "):
            Config(**{name: too_low}, **_WITH.get(name, {}))


@pytest.mark.parametrize("name", sorted(_NUMBERS))
def test_the_least_value_that_the_help_allows_is_taken(name):
    least = _least(name)
    if least is None or "above" in _NUMBERS[name].metadata["help"]:
        least = _NUMBERS[name].default
    assert getattr(Config(**{name: least}, **_WITH.get(name, {})), name) == least
