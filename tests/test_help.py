"""Each flag's help says what the flag does and in what range, and the stated range is the checked one."""

import dataclasses
import re

import pytest
from test_documentation import MODULES, described

from svg_tf.config import Config, ConfigError

_RANGE = re.compile(r"\d[\d,]* or greater|greater than|\b\d[\d,]* to \d|\b0: ")
_INTEGERS = {field.name: field for field in dataclasses.fields(Config) if field.type is int}
_WITH = {"image_width": {"digit_size": 16}, "beta_warmup_steps": {"beta_schedule": "linear"}}
_WITH["frame_stride"] = {"dataset": "videos"}


@pytest.mark.parametrize("module", MODULES)
def test_help_texts(module):
    for name, flag in described(module)["flags"].items():
        text = re.sub(r"^<.*?>: ", "", flag["help"])
        assert len(text.split()) > 1 and not text.endswith("."), f"{name}: {text}"
        assert not re.search(r"\bdefault(s to|:| is)", text), f"{name} repeats its default: {text}"
        if flag["type"] in ("int", "float"):
            assert flag["bounds"] or _RANGE.search(text), f"{name} has no range: {text}"
        if flag["type"].startswith("string") and flag["default"] == "":
            assert "empty" in text, f"{name} does not say what an empty value means: {text}"


@pytest.mark.parametrize("module", MODULES)
def test_flags_are_known_before_anything_heavy_is_imported(module):
    assert described(module)["heavy"] == []


@pytest.mark.parametrize("name", sorted(_INTEGERS))
def test_the_stated_lower_bound_is_the_checked_one(name):
    least, others = _INTEGERS[name].metadata["least"], _WITH.get(name, {})
    with pytest.raises(ConfigError, match=rf"^{name} "):
        Config(**{name: least - 1}, **others)
    if name not in ("channels", "n_eval", "beta_warmup_steps"):  # bounded by other fields, too
        assert getattr(Config(**{name: least}, **others), name) == least
