"""Carries a submission out in Kubernetes: one Job with its dependents, or a rejection that says why.

Stands between `handling`, which knows Kafka, and `kube`; knows neither Kafka nor HTTP. `submitter` turns submissions
into outcomes, `errand` holds the steps of one submission.
"""

from service.submitter.submitter import Submitter

__all__ = ["Submitter"]
