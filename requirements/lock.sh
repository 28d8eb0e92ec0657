#!/bin/sh
# Writes the lock files anew: hashes only, no addresses. Needs `uv`. One resolution (dev) rules them all.
set -eu
cd "$(dirname "$0")/.."
compile() { uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header "$@"; }
compile --extra tracing --extra kafka --group dev pyproject.toml client/pyproject.toml -o requirements/dev.txt
compile -c requirements/dev.txt pyproject.toml -o requirements/service.txt
compile -c requirements/dev.txt --extra tracing pyproject.toml -o requirements/tracing.txt
compile -c requirements/dev.txt --group devstack pyproject.toml client/pyproject.toml -o requirements/run.txt
# the client by itself
compile -c requirements/dev.txt --extra kafka client/pyproject.toml -o requirements/client.txt
compile --group pyproject.toml:cluster -o requirements/cluster.txt
# what the image's build needs to install the package itself
echo flit_core | compile -c requirements/dev.txt - -o requirements/build.txt
compile -c requirements/dev.txt --group mutation pyproject.toml client/pyproject.toml -o requirements/mutation.txt
compile -c requirements/dev.txt --group pyproject.toml:pictures -o requirements/pictures.txt
compile -c requirements/dev.txt --group pyproject.toml:supply -o requirements/supply.txt
compile --group pyproject.toml:fuzz -o requirements/fuzz.txt
