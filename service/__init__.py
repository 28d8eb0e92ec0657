"""A job submission service: a POST or a Kafka record in, one Kubernetes Job and its name out.

The way of a request, top to bottom: `http_ingress` has the route, `api.submit` checks the POST (`spec`, `validation`)
and makes a record of it (`submission.records`) that `broker` writes to the topic. `consumer` reads it,
`worker.record_handler` asks whether it was done before (`views.duplicates`), `submitter` makes the objects
(`manifests`), and `cluster.job_creation` creates them through `kube`. `worker.publisher` writes the outcome through
`broker`, and `views.waiters` hands it to the waiting request.
"""

from importlib.metadata import version

__version__ = version("job-submission")
