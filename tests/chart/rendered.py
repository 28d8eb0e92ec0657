"""Names of the objects of a release `x`, as the fixture `render` gives them, and the way to their pods."""

INGRESS = ("Deployment", "x-job-submission-ingress")
CONSUMER = ("StatefulSet", "x-job-submission-consumer")
SETTINGS = ("ConfigMap", "x-job-submission-settings")


def pod(rendered, which):
    return rendered[which]["spec"]["template"]["spec"]
