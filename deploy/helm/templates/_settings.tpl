{{/* The variables that hold no secret: `settings` and what other values stand for. Sorted, all strings. */}}
{{- define "job-submission.settings" -}}
{{- $settings := dict -}}
{{- range $name, $value := .Values.settings -}}
{{- /* Helm reads numbers as floats, which would print as 1e+06 */ -}}
{{- $whole := and (kindIs "float64" $value) (eq (floor $value) (toString $value | float64)) -}}
{{- $_ := set $settings $name (ternary (printf "%.0f" (float64 $value)) (toString $value) $whole) -}}
{{- end -}}
{{- $_ := set $settings "KAFKA_BOOTSTRAP_SERVERS" (include "job-submission.bootstrap" .) -}}
{{- $_ := set $settings "KAFKA_SECURITY_PROTOCOL" (include "job-submission.protocol" .) -}}
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
{{- if .Values.tokensSecret -}}
{{- $_ := set $settings "HTTP_TOKENS_FILE" "/etc/tokens/tokens.json" -}}
{{- end -}}
{{- if include "job-submission.topicsMadeElsewhere" . -}}
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

{{/* The files that come out of Secrets: `part` is `volumes` or `mounts`. */}}
{{- define "job-submission.files" -}}
{{- $secrets := dict -}}
{{- if .root.Values.kafka.tls.enabled -}}
{{- with .root.Values.kafka.tls.caSecret }}{{ $_ := set $secrets "kafka-ca" . }}{{ end -}}
{{- with .root.Values.kafka.tls.clientSecret }}{{ $_ := set $secrets "kafka-client" . }}{{ end -}}
{{- end -}}
{{- with .root.Values.tokensSecret }}{{ $_ := set $secrets "tokens" . }}{{ end -}}
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

{{/* What KEDA logs in to Kafka with: the parts of a TriggerAuthentication's spec; empty where nothing is needed. */}}
{{- define "job-submission.kedaLogin" -}}
{{- $sasl := .Values.kafka.sasl -}}
{{- $tls := .Values.kafka.tls -}}
{{- if and $sasl.enabled $sasl.username }}
configMapTargetRef:
  - {parameter: username, name: {{ include "job-submission.fullname" . }}-settings, key: KAFKA_SASL_USERNAME}
{{- end }}
{{- if or $sasl.enabled (and $tls.enabled (or $tls.caSecret $tls.clientSecret)) }}
secretTargetRef:
  {{- if and $sasl.enabled (not $sasl.username) }}
  - {parameter: username, name: {{ $sasl.secret | quote }}, key: {{ $sasl.usernameKey | quote }}}
  {{- end }}
  {{- if $sasl.enabled }}
  - {parameter: password, name: {{ $sasl.secret | quote }}, key: {{ $sasl.passwordKey | quote }}}
  {{- end }}
  {{- if and $tls.enabled $tls.caSecret }}
  - {parameter: ca, name: {{ $tls.caSecret | quote }}, key: {{ $tls.caKey | quote }}}
  {{- end }}
  {{- if and $tls.enabled $tls.clientSecret }}
  - {parameter: cert, name: {{ $tls.clientSecret | quote }}, key: {{ $tls.certKey | quote }}}
  - {parameter: key, name: {{ $tls.clientSecret | quote }}, key: {{ $tls.keyKey | quote }}}
  {{- end }}
{{- end }}
{{- end }}
