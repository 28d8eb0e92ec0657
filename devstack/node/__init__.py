"""A real Kubernetes node beside the local control plane: kubelet, containerd and runc, so that Jobs' pods really run.

All of the node lives in namespaces of its own (mounts, processes, network, cgroups, IPC, host name) and ends with the
one process that holds them: nothing is left on the machine, and a job's host path is a copy of the machine's.
`cluster.RealCluster` puts a control plane and a node together; `machine.missing` says what a machine lacks for it.
"""
