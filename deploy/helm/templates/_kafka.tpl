{{- define "job-submission.bootstrapServers" -}}
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

{{- define "job-submission.securityProtocol" -}}
{{- if .Values.kafka.sasl.enabled -}}
{{ ternary "SASL_SSL" "SASL_PLAINTEXT" .Values.kafka.tls.enabled }}
{{- else -}}
{{ ternary "SSL" "PLAINTEXT" .Values.kafka.tls.enabled }}
{{- end -}}
{{- end }}

{{/* The names of the topics and of the groups, as a dict; the defaults are those of service/settings/. */}}
{{- define "job-submission.kafkaNames" -}}
submissions: {{ .Values.settings.TOPICS_SUBMISSIONS | default "job-submissions" | quote }}
outcomes: {{ .Values.settings.TOPICS_OUTCOMES | default "job-outcomes" | quote }}
deadLetters: {{ .Values.settings.TOPICS_DEAD_LETTERS | default "job-submissions-dead-letters" | quote }}
jobEvents: {{ .Values.settings.TOPICS_JOB_EVENTS | default "job-events" | quote }}
watcherGroup: {{ .Values.settings.WATCHER_GROUP | default "job-submission-watcher" | quote }}
group: {{ .Values.settings.CONSUMER_GROUP | default "job-submission" | quote }}
{{- end }}

{{/* The Strimzi cluster and its namespace, in which topics and user are made, as a dict. */}}
{{- define "job-submission.strimzi" -}}
cluster: {{ required "strimzi.topics and strimzi.user need strimzi.cluster" .Values.strimzi.cluster | quote }}
namespace: {{ .Values.strimzi.namespace | default .Release.Namespace | quote }}
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
