{{/* Image pull secrets, those of an umbrella chart first. */}}
{{- define "job-submission.imagePullSecrets" -}}
{{- with concat ((.Values.global).imagePullSecrets | default list) .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Which nodes a pod may go to: a section of values. */}}
{{- define "job-submission.nodes" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A probe of the values, with the service's own handler unless it names another: a dict of `probe` and `path`. */}}
{{- define "job-submission.probe" -}}
{{- $probe := deepCopy .probe -}}
{{- if not (or $probe.exec $probe.httpGet $probe.tcpSocket $probe.grpc) -}}
{{- $_ := set $probe "httpGet" (dict "path" .path "port" "metrics") -}}
{{- end -}}
{{ toYaml $probe }}
{{- end }}

{{/* Seconds from SIGTERM to SIGKILL of the ingress: its last seconds of service, its drain, and room to close connections. */}}
{{- define "job-submission.ingressGrace" -}}
{{ add .Values.ingress.preStopSeconds (.Values.settings.HTTP_DRAIN_SECONDS | default 20 | float64 | ceil | int) 15 }}
{{- end }}

{{/* The same of a component: in mode `all` the consumer stops when the ingress has ended, whose last requests it may have to answer. */}}
{{- define "job-submission.grace" -}}
{{- $drain := .root.Values.settings.CONSUMER_DRAIN_SECONDS | default 20 | float64 | ceil | int -}}
{{- if eq .component "ingress" -}}
{{ include "job-submission.ingressGrace" .root }}
{{- else if eq .component "watcher" -}}
30
{{- else if eq .component "all" -}}
{{ add $drain (include "job-submission.ingressGrace" .root) 15 }}
{{- else -}}
{{ add $drain 25 }}
{{- end -}}
{{- end }}

{{/*
Affinity of the values; terms of pod affinity without a `labelSelector` choose nothing in Kubernetes, so they get the
pods' own. By default the pods keep to different nodes where they can. A dict of `affinity` and `selector`.
*/}}
{{- define "job-submission.affinity" -}}
{{- $own := dict "matchLabels" .selector -}}
{{- if .affinity -}}
{{- $affinity := deepCopy .affinity -}}
{{- range $kind := list "podAffinity" "podAntiAffinity" -}}
{{- with get $affinity $kind -}}
{{- range .requiredDuringSchedulingIgnoredDuringExecution -}}
{{- if not .labelSelector }}{{ $_ := set . "labelSelector" $own }}{{ end -}}
{{- end -}}
{{- range .preferredDuringSchedulingIgnoredDuringExecution -}}
{{- if not .podAffinityTerm.labelSelector }}{{ $_ := set .podAffinityTerm "labelSelector" $own }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toYaml $affinity }}
{{- else -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector: {{- toYaml $own | nindent 10 }}
{{- end -}}
{{- end }}

{{/* Where and how a component's pods run: a dict of its section of `values` and its `selector`. */}}
{{- define "job-submission.scheduling" -}}
{{- include "job-submission.nodes" .values }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $constraint := deepCopy . }}
  {{- if not .labelSelector }}{{ $_ := set $constraint "labelSelector" (dict "matchLabels" $.selector) }}{{ end }}
  - {{- toYaml $constraint | nindent 4 }}
  {{- end }}
{{- end }}
affinity: {{- include "job-submission.affinity" (dict "affinity" .values.affinity "selector" .selector) | nindent 2 }}
{{- with .values.hostAliases }}
hostAliases: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .values.dnsConfig }}
dnsConfig: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The variables of the service's container in the pod of a component, besides the ConfigMap's: a dict as of `podTemplate`. */}}
{{- define "job-submission.env" -}}
{{- if has .component (list "consumer" "all") }}
- name: POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
# static membership: a pod that comes back under its name keeps its partitions. With the namespace, as releases of one
# name may share a Kafka
- {name: CONSUMER_INSTANCE_ID, value: {{ printf "%s.$(POD_NAME)" .root.Release.Namespace | quote }}}
- {name: KUBE_PAUSE_FILE, value: /etc/pause/paused}
{{- end }}
{{- if and (not (has .component (list "consumer" "watcher"))) .root.Values.tokensSecret }}
- {name: HTTP_TOKENS_FILE, value: /etc/tokens/tokens.json}
{{- end }}
{{- if and (ne .component "watcher") .root.Values.signatures.signingKeySecret }}
- {name: SUBMISSION_SIGNING_KEY_FILE, value: /etc/signing-key/signing-key.json}
{{- end }}
{{- if and (has .component (list "consumer" "all")) .root.Values.signatures.keysSecret }}
- {name: SUBMISSION_KEYS_FILE, value: /etc/signing-keys/keys.json}
{{- end }}
{{- if and (include "job-submission.passesLogs" .root) (has .component (list "ingress" "watcher")) }}
- {name: JOB_LOGS_TOKEN_FILE, value: /etc/logs/token}
{{- if eq .component "ingress" }}
- {name: JOB_LOGS_URL, value: {{ printf "http://%s-watcher:8081" (include "job-submission.fullname" .root) | quote }}}
{{- end }}
{{- end }}
{{- include "job-submission.extendedEnv" . }}
{{- end }}

{{/* The variables that are the hooks' too: a dict of `root` and a section of `values`. */}}
{{- define "job-submission.extendedEnv" -}}
{{- with include "job-submission.secretEnvironment" .root }}
{{ . }}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "job-submission.volumeMounts" -}}
{{- include "job-submission.secretFiles" (merge (dict "part" "mounts") .) }}
{{- with .values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "job-submission.volumes" -}}
{{- include "job-submission.secretFiles" (merge (dict "part" "volumes") .) }}
{{- with .values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The pod template of a component: a dict of `root`, `component` and its section of `values`. */}}
{{- define "job-submission.podTemplate" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $component := .component -}}
{{- $serves := has $component (list "ingress" "all") -}}
{{- $selector := include "job-submission.selector" . | fromYaml -}}
{{- /* a change of the settings is a rollout */ -}}
{{- $annotations := dict "checksum/settings" (include "job-submission.settings" $root | sha256sum) -}}
{{- if $root.Values.monitoring.scrapeAnnotations -}}
{{- $annotations = merge $annotations (dict "prometheus.io/scrape" "true" "prometheus.io/port" "9090" "prometheus.io/path" "/metrics") -}}
{{- end -}}
metadata:
  labels: {{- include "job-submission.labels" (merge (dict "labels" $values.podLabels) .) | nindent 4 }}
  annotations: {{- merge $annotations $values.podAnnotations $root.Values.commonAnnotations | toYaml | nindent 4 }}
spec:
  serviceAccountName: {{ include "job-submission.account" . | quote }}
  automountServiceAccountToken: {{ or (ne $component "ingress") (ne (include "job-submission.reviews" $root) "") }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds | default (include "job-submission.grace" .) }}
  {{- with include "job-submission.imagePullSecrets" $root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- include "job-submission.scheduling" (dict "values" $values "selector" $selector) | trim | nindent 2 }}
  {{- with $root.Values.podSecurityContext }}
  securityContext: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.initContainers }}
  initContainers: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: job-submission
      image: {{ include "job-submission.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ $component }}]
      envFrom:
        - configMapRef: {name: {{ include "job-submission.fullname" $root }}-settings}
        {{- with $values.extraEnvFrom }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- with include "job-submission.env" . | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      ports:
        {{- if $serves }}
        - {name: http, containerPort: 8080}
        {{- end }}
        {{- if and (eq $component "watcher") (include "job-submission.passesLogs" $root) }}
        - {name: logs, containerPort: 8081}
        {{- end }}
        - {name: metrics, containerPort: 9090}
      {{- with $values.startupProbe }}
      startupProbe: {{- include "job-submission.probe" (dict "probe" . "path" "/healthz") | nindent 8 }}
      {{- end }}
      {{- with $values.livenessProbe }}
      livenessProbe: {{- include "job-submission.probe" (dict "probe" . "path" "/healthz") | nindent 8 }}
      {{- end }}
      {{- with $values.readinessProbe }}
      readinessProbe: {{- include "job-submission.probe" (dict "probe" . "path" "/readyz") | nindent 8 }}
      {{- end }}
      {{- if and $serves (gt (int $root.Values.ingress.preStopSeconds) 0) }}
      lifecycle:
        preStop:
          # until every kube-proxy and load balancer has taken the pod out
          sleep: {seconds: {{ $root.Values.ingress.preStopSeconds }}}
      {{- end }}
      {{- with $values.resources }}
      resources: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.securityContext }}
      securityContext: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with printf "%s%s" (include "job-submission.pause" (merge (dict "part" "mounts") .)) (include "job-submission.volumeMounts" .) | trim }}
      volumeMounts:
        {{- . | nindent 8 }}
      {{- end }}
    {{- with $values.extraContainers }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with printf "%s%s" (include "job-submission.pause" (merge (dict "part" "volumes") .)) (include "job-submission.volumes" .) | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{/*
The pause switch of a component that makes Jobs: while an operator has made the ConfigMap, there is its key as a file. A dict
as of `podTemplate` and the `part`, `volumes` or `mounts`.
*/}}
{{- define "job-submission.pause" -}}
{{- if has .component (list "consumer" "all") -}}
{{- if eq .part "volumes" }}
- name: pause
  configMap: {name: {{ include "job-submission.fullname" .root }}-pause, optional: true}
{{- else }}
- {name: pause, mountPath: /etc/pause, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{/* The pod's part of a hook's Job, which runs where and as whom the pods that answer HTTP do. */}}
{{- define "job-submission.hookPod" -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "job-submission.imagePullSecrets" .root | trim }}
{{ . }}
{{- end }}
{{- with include "job-submission.nodes" .values | trim }}
{{ . }}
{{- end }}
{{- with .root.Values.podSecurityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
