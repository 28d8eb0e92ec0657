"""A job submission service: a POST or a Kafka record in, one Kubernetes Job and its name out.

The way of a request, top to bottom: `http_ingress` accepts the POST, `validation` checks it, `records` writes it to the
topic through `broker`; `consumer` reads it, `submitter` turns it into objects (`manifest`, `naming`) and creates them
through `kube`; the outcome goes back through `broker`, and `replies` hands it to the waiting request.
"""

from importlib.metadata import version

__version__ = version("job-submission")
