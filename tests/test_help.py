"""Each flag's help says what the flag does and in what range."""

import re

import pytest
from test_documentation import MODULES, described

_RANGE = re.compile(r"\d[\d,]* or greater|greater than|\b\d[\d,]* to \d|\b0: ")


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
