import pytest

from svg_tf.tflite import conversion as tflite_conversion
from svg_tf.tflite.conversion import ConversionError


@pytest.fixture
def converter(tmp_path, monkeypatch):
    """Puts a script in the converter's place and converts with it."""

    def convert(script):
        path, out = tmp_path / "converter.py", tmp_path / "out.tflite"
        path.write_text("import os, signal, sys\nmodel, variant, calibration, out, *names = sys.argv[1:]\n" + script)
        monkeypatch.setattr(tflite_conversion, "CONVERTER", str(path))
        tflite_conversion.convert("model", ["observe", "step"], "int8", "clips.npz", str(out))
        return out.read_text()

    return convert


def test_the_converter_is_told_what_to_convert(converter):
    text = converter("open(out, 'w').write(' '.join([model, variant, calibration, *names]))")
    assert text == "model int8 clips.npz observe step"


def test_a_converter_that_crashes_is_told_in_one_sentence(converter):
    with pytest.raises(ConversionError, match="^the converter crashed: its process was ended by SIGSEGV$"):
        converter("os.kill(os.getpid(), signal.SIGSEGV)")


def test_a_converter_that_fails_is_told_with_its_last_words(converter):
    with pytest.raises(ConversionError, match="^the converter failed: ValueError: no such op$"):
        converter("print('much talk', file=sys.stderr)\nraise ValueError('no such op')")
    with pytest.raises(ConversionError, match="^the converter failed: exit status 3$"):
        converter("sys.exit(3)")


def test_a_converter_that_writes_nothing_is_told(converter):
    with pytest.raises(ConversionError, match="without a file"):
        converter("")
