"""The CRDs of operators that are files of this repository: whole, and with their origin."""

import re
from pathlib import Path

from devstack import crds

FILES = sorted((Path(crds.__file__).parent / "operator_crds").glob("*.yaml"))


def test_each_file_says_what_it_was_made_of_and_under_which_licence():
    assert [file.name for file in FILES] == ["kafka.strimzi.io_kafkatopics.yaml", "kafka.strimzi.io_kafkausers.yaml"]
    for file in FILES:
        comment = "".join(line for line in file.read_text().splitlines(keepends=True) if line.startswith("# "))
        assert re.search(r"io\.strimzi:api:\d+\.\d+\.\d+, .*under the Apache License 2\.0", comment), file


def test_the_api_server_serves_strimzis_v1(operator_crds, cluster_server):
    served = cluster_server.api.request("GET", "/apis/kafka.strimzi.io/v1")["resources"]
    assert {(each["name"], each["kind"]) for each in served if "/" not in each["name"]} == {
        ("kafkatopics", "KafkaTopic"),
        ("kafkausers", "KafkaUser"),
    }
