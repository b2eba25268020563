"""python cpp_process.py REQUESTS ANSWERS: runs SavedModels as a server does, without TensorFlow's Python or svg_tf."""

import pickle
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "export"))

import cpp_runtime


def main(requests_path, answers_path):
    cpp_runtime.disable_xla()
    models, answers = {}, []
    for folder, signature, inputs in pickle.loads(Path(requests_path).read_bytes()):
        try:
            if folder not in models:
                models[folder] = cpp_runtime.SavedModel(folder)
            answers.append(models[folder].run(signature, inputs))
        except cpp_runtime.CppRuntimeError as error:
            answers.append(str(error))
    imported = sorted({name.split(".")[0] for name in sys.modules} & {"tensorflow", "keras", "svg_tf"})
    Path(answers_path).write_bytes(pickle.dumps((imported, answers)))


if __name__ == "__main__":
    main(*sys.argv[1:])
