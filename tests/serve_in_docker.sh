#!/bin/bash
# Runs the tests of serving against the real TensorFlow Serving in Docker, without and with batching:
#     bash tests/serve_in_docker.sh [IMAGE]
# The tests export a small model to a folder under /tmp, which the container sees at the same path.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:-$(sed -n 's/.*image: //p' export/serving/docker-compose.yml)}
docker pull "$image"
export TF_MODEL_SERVER="docker run --rm --network=host --volume=/tmp:/tmp:ro --volume=$PWD:$PWD:ro \
--entrypoint=tensorflow_model_server $image"
python -m pytest -rs tests/test_serving_server.py -k real
