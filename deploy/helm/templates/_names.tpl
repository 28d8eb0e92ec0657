{{/* 43 characters: a pod of the StatefulSet has a label of its name, "-consumer" and a revision's hash. No dots, which a Service may not have. */}}
{{- define "job-submission.fullname" -}}
{{- $name := .Release.Name -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if not (contains (include "job-submission.name" .) $name) -}}
{{- $name = printf "%s-%s" $name (include "job-submission.name" .) -}}
{{- end -}}
{{ $name | replace "." "-" | trunc 43 | trimSuffix "-" }}
{{- end }}

{{- define "job-submission.name" -}}
{{ .Values.nameOverride | default .Chart.Name }}
{{- end }}

{{/* The name of objects that several releases may have in one namespace, or in the cluster: neither part has a colon. */}}
{{- define "job-submission.wideName" -}}
{{ .Release.Namespace }}:{{ include "job-submission.fullname" . }}
{{- end }}

{{/* The name of this release among others on the cluster, as the value of a label: neither part has a dot. */}}
{{- define "job-submission.installation" -}}
{{- $whole := printf "%s.%s" .Release.Namespace (include "job-submission.fullname" .) -}}
{{- if le (len $whole) 63 -}}
{{ $whole }}
{{- else -}}
{{ $whole | trunc 52 | trimSuffix "-" | trimSuffix "." }}.{{ $whole | sha256sum | trunc 10 }}
{{- end -}}
{{- end }}

{{/* Labels by which a release's pods are chosen: a dict of `root` and, for one kind of pods, `component`. */}}
{{- define "job-submission.selector" -}}
app.kubernetes.io/name: {{ include "job-submission.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . | quote }}
{{- end }}
{{- end }}

{{/* All labels: a dict of `root`, and perhaps `component` and more `labels`, which replace none of the chart's. */}}
{{- define "job-submission.labels" -}}
{{- $labels := include "job-submission.selector" . | fromYaml -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- $_ := set $labels "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $labels "app.kubernetes.io/part-of" "job-submission" -}}
{{ merge $labels (.labels | default dict) .root.Values.commonLabels | toYaml }}
{{- end }}

{{/*
The metadata of an object: a dict of `root`, `name`, and perhaps `component`, `labels` and `annotations` of its own, a
`namespace` other than the release's, or `clusterScoped`.
*/}}
{{- define "job-submission.metadata" -}}
name: {{ .name | quote }}
{{- if not .clusterScoped }}
namespace: {{ .namespace | default .root.Release.Namespace | quote }}
{{- end }}
labels: {{- include "job-submission.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The component whose pods answer HTTP. */}}
{{- define "job-submission.httpComponent" -}}
{{ ternary "all" "ingress" (eq .Values.mode "all") }}
{{- end }}

{{/* The component whose pods consume. */}}
{{- define "job-submission.consumerComponent" -}}
{{ ternary "all" "consumer" (eq .Values.mode "all") }}
{{- end }}

{{/* The components that run the service, joined by commas. */}}
{{- define "job-submission.components" -}}
{{ ternary "all" (ternary "ingress,consumer,watcher" "ingress,consumer" .Values.watcher.enabled) (eq .Values.mode "all") }}
{{- end }}

{{/* A regular expression that the names of this release's pods match, and those of no other release. */}}
{{- define "job-submission.podPattern" -}}
{{ include "job-submission.fullname" . }}-({{ include "job-submission.components" . | replace "," "|" }})-[0-9a-z]+(-[0-9a-z]{5})?
{{- end }}

{{/* The ServiceAccount of a component's pods: a dict of `root`, `component` and its section of `values`. */}}
{{- define "job-submission.account" -}}
{{- with .values.serviceAccount -}}
{{ .name | default (ternary (printf "%s-%s" (include "job-submission.fullname" $.root) $.component) "default" .create) }}
{{- end -}}
{{- end }}

{{- define "job-submission.image" -}}
{{ required "set image.repository to the name that your image was pushed under (docs/install.md)" .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The namespaces that the watcher looks into, joined by commas; empty: all. Its own where there is no project: a watch needs one. */}}
{{- define "job-submission.watchedNamespaces" -}}
{{- if not .Values.projects.allNamespaces -}}
{{- $namespaces := list -}}
{{- range $project := .Values.projects.names -}}
{{- $namespaces = append $namespaces (include "job-submission.namespaceOf" (dict "root" $ "project" $project)) -}}
{{- end -}}
{{ $namespaces | default (list .Release.Namespace) | join "," }}
{{- end -}}
{{- end }}

{{/* Whether watcher and ingress are two that share a secret for logs: `true` or nothing. */}}
{{- define "job-submission.passesLogs" -}}
{{- if and (eq .Values.mode "split") .Values.watcher.enabled .Values.watcher.logs.enabled }}true{{ end -}}
{{- end }}

{{/* The Secret that they share. */}}
{{- define "job-submission.logsSecret" -}}
{{ .Values.watcher.logs.tokenSecret | default (printf "%s-logs" (include "job-submission.fullname" .)) }}
{{- end }}

{{- define "job-submission.namespaceOf" -}}
{{ .root.Values.projects.namespaceTemplate | replace "{project}" .project }}
{{- end }}

{{/* The project that `helm test` submits to; empty: no test. */}}
{{- define "job-submission.testProject" -}}
{{ .Values.tests.project | default (first .Values.projects.names) | default "" }}
{{- end }}

{{/* The address families of a Service. */}}
{{- define "job-submission.ipFamilies" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
The replicas of a workload that something else scales: those it has now, so that turning the autoscaler on does not
remove them, which would mean one. Nothing for a new object, nor where helm has no cluster to ask. A dict of `root`,
`kind`, `name`.
*/}}
{{- define "job-submission.liveReplicas" -}}
{{- with lookup "apps/v1" .kind .root.Release.Namespace .name }}
replicas: {{ .spec.replicas }}
{{- end }}
{{- end }}
