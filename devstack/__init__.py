"""Local servers for `make run` and the tests: Kafka, a Kubernetes control plane, and an in-memory stand-in for it.

Beside the service and unknown to it. `python -m devstack --help` says what it offers.
"""
