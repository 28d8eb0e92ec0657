"""Parameters of other editions of the API that are refused by name: nothing in a Job means what they mean.

From the machine-readable description of the old API; each sentence says what to do instead.
"""

from typing import Final

NOT_SUPPORTED: Final = {
    "gitSync": "is not supported: the service adds no container that clones; clone in the command, or mount the code",
    "gpuMemory": "is not supported: ask for GPUs, or for a fraction of one, with gpu",
    "jupyter": "is not supported: name the notebook's image, and give command, ports and serviceType",
    "mpi": "is not supported: MPI jobs need an operator; for equal pods there are completions and parallelism",
    "processes": "is not supported: it belongs to MPI jobs; for equal pods there are completions and parallelism",
    "runAsUser": "is not supported: the service does not know the user's number; give runAsUid and runAsGid",
    "template": "is not supported: a template's parameters would be hidden from this check; write them into job",
}
"""What is said of each."""
