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

{{/*
How the service logs in to Kafka: `password`; `endpoint`, by a token that it asks for as an OAuth client; `token`, by a token out of a
file; empty: not at all.
*/}}
{{- define "job-submission.kafkaLogin" -}}
{{- with .Values.kafka.sasl -}}
{{- if .enabled -}}
{{- if ne .mechanism "OAUTHBEARER" -}}
{{- $_ := required "kafka.sasl.enabled needs kafka.sasl.secret" .secret -}}
password
{{- else if ne (len (compact (list .oauth.tokenUrl .oauth.audience .oauth.tokenFile))) 1 -}}
{{- fail "kafka.sasl.mechanism OAUTHBEARER needs one of kafka.sasl.oauth.tokenUrl, audience and tokenFile" -}}
{{- else if .oauth.tokenUrl -}}
{{- $_ := required "kafka.sasl.oauth.tokenUrl needs kafka.sasl.secret with the client's id and secret" .secret -}}
endpoint
{{- else -}}
token
{{- end -}}
{{- end -}}
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
{{- $kind := include "job-submission.kafkaLogin" . -}}
{{- if and .Values.consumer.keda.enabled (eq $kind "token") }}{{ fail "consumer.keda.enabled cannot log in with a token out of a file: it needs kafka.sasl.oauth.tokenUrl" }}{{ end }}
{{- if and $sasl.enabled $sasl.username }}
configMapTargetRef:
  - {parameter: username, name: {{ include "job-submission.fullname" . }}-settings, key: {{ ternary "KAFKA_SASL_OAUTH_CLIENT_ID" "KAFKA_SASL_USERNAME" (eq $kind "endpoint") }}}
  {{- if eq $kind "endpoint" }}
  - {parameter: oauthTokenEndpointUri, name: {{ include "job-submission.fullname" . }}-settings, key: KAFKA_SASL_OAUTH_TOKEN_URL}
  {{- end }}
{{- else if eq $kind "endpoint" }}
configMapTargetRef:
  - {parameter: oauthTokenEndpointUri, name: {{ include "job-submission.fullname" . }}-settings, key: KAFKA_SASL_OAUTH_TOKEN_URL}
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
