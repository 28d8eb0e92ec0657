"""How the service gets onto a cluster: the Helm chart and what is generated for it."""
