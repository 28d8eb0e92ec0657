"""The CRDs that are made here: what the generator's Java says on its way is no failure of it."""

import yaml

from devstack import crds
from devstack.cache import cache_dir


def test_options_that_java_picks_up_from_the_environment_are_no_failure(operator_crds, tmp_path, monkeypatch):
    filled = cache_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache_dir().mkdir(parents=True)
    for folder in filled.iterdir():
        if not folder.name.startswith("strimzi-crds-"):
            (cache_dir() / folder.name).symlink_to(folder)
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=en")
    made = {yaml.safe_load(file.read_text())["metadata"]["name"] for file in crds.operator_crds()}
    assert {"kafkatopics.kafka.strimzi.io", "kafkausers.kafka.strimzi.io"} <= made
