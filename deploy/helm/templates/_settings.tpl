{{/* The variables that hold no secret: `settings` and what other values stand for. Sorted, all strings. */}}
{{- define "job-submission.settings" -}}
{{- $settings := dict -}}
{{- range $name, $value := .Values.settings -}}
{{- /* Helm reads numbers as floats, which would print as 1e+06 */ -}}
{{- $whole := and (kindIs "float64" $value) (eq (floor $value) (toString $value | float64)) -}}
{{- $_ := set $settings $name (ternary (printf "%.0f" (float64 $value)) (toString $value) $whole) -}}
{{- end -}}
{{- $_ := set $settings "KAFKA_BOOTSTRAP_SERVERS" (include "job-submission.bootstrapServers" .) -}}
{{- $_ := set $settings "KAFKA_SECURITY_PROTOCOL" (include "job-submission.securityProtocol" .) -}}
{{- if .Values.kafka.sasl.enabled -}}
{{- $_ := set $settings "KAFKA_SASL_MECHANISM" .Values.kafka.sasl.mechanism -}}
{{- with .Values.kafka.sasl.username -}}
{{- $_ := set $settings "KAFKA_SASL_USERNAME" . -}}
{{- end -}}
{{- end -}}
{{- if .Values.kafka.tls.enabled -}}
{{- if .Values.kafka.tls.caSecret -}}
{{- $_ := set $settings "KAFKA_SSL_CA_FILE" (printf "/etc/kafka-ca/%s" .Values.kafka.tls.caKey) -}}
{{- end -}}
{{- if .Values.kafka.tls.clientSecret -}}
{{- $_ := set $settings "KAFKA_SSL_CERT_FILE" (printf "/etc/kafka-client/%s" .Values.kafka.tls.certKey) -}}
{{- $_ := set $settings "KAFKA_SSL_KEY_FILE" (printf "/etc/kafka-client/%s" .Values.kafka.tls.keyKey) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $settings "KUBE_NAMESPACE_TEMPLATE" .Values.projects.namespaceTemplate -}}
{{- with .Values.projects.names -}}
{{- $_ := set $settings "KUBE_PROJECTS" (join "," .) -}}
{{- end -}}
{{- if not (hasKey $settings "KUBE_INSTALLATION") -}}
{{- $_ := set $settings "KUBE_INSTALLATION" (include "job-submission.installation" .) -}}
{{- end -}}
{{- with include "job-submission.watchedNamespaces" . -}}
{{- $_ := set $settings "WATCHER_NAMESPACES" . -}}
{{- end -}}
{{- if or .Values.topics.job .Values.strimzi.topics -}}
{{- $_ := set $settings "TOPICS_CREATE" "false" -}}
{{- end -}}
{{ toYaml $settings }}
{{- end }}

{{/* The variables that come out of Secrets. */}}
{{- define "job-submission.secretEnvironment" -}}
{{- with .Values.kafka.sasl -}}
{{- if .enabled -}}
- name: KAFKA_SASL_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ required "kafka.sasl.enabled needs kafka.sasl.secret" .secret | quote }}, key: {{ .passwordKey | quote }}}
{{- if not .username }}
- name: KAFKA_SASL_USERNAME
  valueFrom:
    secretKeyRef: {name: {{ .secret | quote }}, key: {{ .usernameKey | quote }}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
The Secrets that are mounted as files, each at /etc/<name>: a dict of `root`, the `component` whose pod it is, and the
`part`, `volumes` or `mounts`.
*/}}
{{- define "job-submission.secretFiles" -}}
{{- $secrets := dict -}}
{{- with .root.Values.kafka.tls -}}
{{- if .enabled -}}
{{- with .caSecret }}{{ $_ := set $secrets "kafka-ca" . }}{{ end -}}
{{- with .clientSecret }}{{ $_ := set $secrets "kafka-client" . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if eq .component (include "job-submission.httpComponent" .root) -}}
{{- with .root.Values.tokensSecret }}{{ $_ := set $secrets "tokens" . }}{{ end -}}
{{- end -}}
{{- $part := .part -}}
{{- range $name, $secret := $secrets }}
{{- if eq $part "volumes" }}
- name: {{ $name }}
  secret: {secretName: {{ $secret | quote }}, defaultMode: 0440}
{{- else }}
- {name: {{ $name }}, mountPath: /etc/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
