module crds

go 1.26.0

require (
	github.com/NVIDIA/KAI-scheduler v0.12.0
	github.com/kedacore/keda/v2 v2.20.2
	github.com/prometheus-operator/prometheus-operator v0.93.1
	sigs.k8s.io/gateway-api v1.6.3
	sigs.k8s.io/kueue v0.17.0
)
