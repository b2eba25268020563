import json

from svg_tf.tflite import table as tflite_table
from svg_tf.tflite.quality import Quality
from svg_tf.tflite.table import Row

ROWS = [
    Row("TensorFlow, step", None, Quality(200.0, 0.0, 20.0, 0.0, 0.0), 3.0, [2.0, 1.5]),
    Row("step_float32.tflite", 1.234, Quality(120.0, 1e-6, 20.0, -1e-7, 0.01), 2.0, [1.0, 0.5]),
    Row("step_int8.tflite", refused="the converter crashed"),
]


def test_the_table_has_a_line_for_every_file_and_says_why_one_is_missing():
    lines = tflite_table.markdown(ROWS, ["A note."]).splitlines()
    assert len({len(line) for line in lines[:5]}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:5]]
    assert cells[3] == [
        "step_float32.tflite",
        "1.23",
        "120.0",
        "1.0e-06",
        "20.00",
        "0.000 ± 0.010",
        "2.00",
        "1.00",
        "0.50",
    ]
    assert cells[4] == ["step_int8.tflite (refused)", *[""] * 8]
    assert lines[-1] == "A note."
    assert "- step_int8.tflite is not there: the converter crashed." in lines


def test_the_same_is_written_as_json(tmp_path):
    tflite_table.write(str(tmp_path), ROWS, ["A note."])
    assert (tmp_path / "table.md").read_text() == tflite_table.markdown(ROWS, ["A note."])
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["notes"] == ["A note."]
    assert content["rows"][1]["quality"]["psnr_to_tensorflow"] == 120.0
    assert content["rows"][1]["frame_ms"] == [1.0, 0.5]
    assert content["rows"][2]["refused"] == "the converter crashed" and content["rows"][2]["quality"] is None
