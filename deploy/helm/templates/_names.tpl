{{/* 43 characters: a pod of the StatefulSet has a label of its name, "-consumer" and a revision's hash. No dots, which a Service may not have. */}}
{{- define "job-submission.fullname" -}}
{{- $name := .Release.Name -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if not (contains .Chart.Name $name) -}}
{{- $name = printf "%s-%s" $name .Chart.Name -}}
{{- end -}}
{{ $name | replace "." "-" | trunc 43 | trimSuffix "-" }}
{{- end }}

{{- define "job-submission.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: job-submission
{{ include "job-submission.selector" . }}
{{- end }}

{{- define "job-submission.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The component whose pods answer HTTP. */}}
{{- define "job-submission.front" -}}
{{ ternary "all" "ingress" (eq .Values.mode "all") }}
{{- end }}

{{/* The component whose pods consume. */}}
{{- define "job-submission.back" -}}
{{ ternary "all" "consumer" (eq .Values.mode "all") }}
{{- end }}

{{- define "job-submission.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "job-submission.bootstrap" -}}
{{- if .Values.embeddedKafka.enabled -}}
{{ include "job-submission.fullname" . }}-kafka.{{ .Release.Namespace }}.svc:9092
{{- else if .Values.kafka.bootstrapServers -}}
{{ .Values.kafka.bootstrapServers }}
{{- else if .Values.strimzi.cluster -}}
{{ .Values.strimzi.cluster }}-kafka-bootstrap.{{ .Values.strimzi.namespace | default .Release.Namespace }}.svc:{{ ternary 9093 9092 .Values.kafka.tls.enabled }}
{{- else -}}
{{ fail "set kafka.bootstrapServers (or embeddedKafka.enabled=true, to try the service out)" }}
{{- end -}}
{{- end }}

{{- define "job-submission.protocol" -}}
{{- if .Values.kafka.sasl.enabled -}}
{{ ternary "SASL_SSL" "SASL_PLAINTEXT" .Values.kafka.tls.enabled }}
{{- else -}}
{{ ternary "SSL" "PLAINTEXT" .Values.kafka.tls.enabled }}
{{- end -}}
{{- end }}

{{/* Who makes the topics, if not the service. */}}
{{- define "job-submission.topicsMadeElsewhere" -}}
{{- if or .Values.topics.job .Values.strimzi.topics }}true{{ end -}}
{{- end }}

{{- define "job-submission.namespaceOf" -}}
{{ .root.Values.projects.namespaceTemplate | replace "{project}" .project }}
{{- end }}

{{/* The project that `helm test` submits to; empty: no test. */}}
{{- define "job-submission.testProject" -}}
{{ .Values.tests.project | default (first .Values.projects.names) | default "" }}
{{- end }}

{{/* Seconds from SIGTERM to SIGKILL: a pod's last second of service, its drain, and room to close its connections. */}}
{{- define "job-submission.ingressGrace" -}}
{{ add .Values.ingress.preStopSeconds (int (ceil (.Values.settings.HTTP_DRAIN_SECONDS | default 20))) 15 }}
{{- end }}
{{- define "job-submission.consumerGrace" -}}
{{- $drain := int (ceil (.Values.settings.CONSUMER_DRAIN_SECONDS | default 20)) -}}
{{- if eq .Values.mode "all" -}}
{{- /* the consumer stops when the ingress has ended, whose last requests it may have to answer */ -}}
{{ add $drain (include "job-submission.ingressGrace" .) 15 }}
{{- else -}}
{{ add $drain 25 }}
{{- end -}}
{{- end }}
