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
{{- with .Values.kafka.sasl -}}
{{- $_ := set $settings "KAFKA_SASL_MECHANISM" .mechanism -}}
{{- $kind := include "job-submission.kafkaLogin" $ -}}
{{- if eq $kind "token" -}}
{{- $_ := set $settings "KAFKA_SASL_OAUTH_TOKEN_FILE" (.oauth.tokenFile | default "/var/run/secrets/kafka/token") -}}
{{- else -}}
{{- $_ := set $settings (ternary "KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE" "KAFKA_SASL_PASSWORD_FILE" (eq $kind "endpoint")) (printf "/etc/kafka-login/%s" .passwordKey) -}}
{{- with .username -}}
{{- $_ := set $settings (ternary "KAFKA_SASL_OAUTH_CLIENT_ID" "KAFKA_SASL_USERNAME" (eq $kind "endpoint")) . -}}
{{- end -}}
{{- end -}}
{{- if ne $kind "password" -}}
{{- with .oauth.tokenUrl }}{{ $_ := set $settings "KAFKA_SASL_OAUTH_TOKEN_URL" . }}{{ end -}}
{{- with .oauth.scope }}{{ $_ := set $settings "KAFKA_SASL_OAUTH_SCOPE" . }}{{ end -}}
{{- with .oauth.extensions }}{{ $_ := set $settings "KAFKA_SASL_OAUTH_EXTENSIONS" . }}{{ end -}}
{{- end -}}
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
{{- if ne .Values.podTemplate.name "job-submission" -}}
{{- $_ := set $settings "KUBE_POD_TEMPLATE" .Values.podTemplate.name -}}
{{- end -}}
{{- /* told to all pods, as those of the ingress cannot know it; a project that is named so is wanted so */}}
{{- if not (hasKey .Values.settings "KUBE_RESERVED_NAMESPACES") -}}
{{- $reserved := list "kube-*" .Release.Namespace -}}
{{- range $project := .Values.projects.names -}}
{{- $reserved = without $reserved (include "job-submission.namespaceOf" (dict "root" $ "project" $project)) -}}
{{- end -}}
{{- $_ := set $settings "KUBE_RESERVED_NAMESPACES" (join "," $reserved) -}}
{{- end -}}
{{- with .Values.projects.names -}}
{{- $_ := set $settings "KUBE_PROJECTS" (join "," .) -}}
{{- end -}}
{{- if not (hasKey $settings "KUBE_INSTALLATION") -}}
{{- $_ := set $settings "KUBE_INSTALLATION" (include "job-submission.installation" .) -}}
{{- end -}}
{{- with include "job-submission.watchedNamespaces" . -}}
{{- $_ := set $settings "WATCHER_NAMESPACES" . -}}
{{- end -}}
{{- if .Values.signatures.required }}{{ $_ := set $settings "SUBMISSION_SIGNATURES" "required" }}{{ end -}}
{{- if or .Values.topics.job .Values.strimzi.topics -}}
{{- $_ := set $settings "TOPICS_CREATE" "false" -}}
{{- end -}}
{{ toYaml $settings }}
{{- end }}

{{/* The variables that come out of Secrets. What may change while the service runs is a file instead. */}}
{{- define "job-submission.secretEnvironment" -}}
{{- with .Values.kafka.sasl -}}
{{- $kind := include "job-submission.kafkaLogin" $ -}}
{{- if and (has $kind (list "password" "endpoint")) (not .username) -}}
- name: {{ ternary "KAFKA_SASL_OAUTH_CLIENT_ID" "KAFKA_SASL_USERNAME" (eq $kind "endpoint") }}
  valueFrom:
    secretKeyRef: {name: {{ .secret | quote }}, key: {{ .usernameKey | quote }}}
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
{{- if has .component (list "ingress" "consumer" "all") -}}
{{- with .root.Values.signatures.signingKeySecret }}{{ $_ := set $secrets "signing-key" . }}{{ end -}}
{{- end -}}
{{- if has .component (list "consumer" "all") -}}
{{- with .root.Values.signatures.keysSecret }}{{ $_ := set $secrets "signing-keys" . }}{{ end -}}
{{- end -}}
{{- $sasl := .root.Values.kafka.sasl -}}
{{- $kind := include "job-submission.kafkaLogin" .root -}}
{{- if has $kind (list "password" "endpoint") }}{{ $_ := set $secrets "kafka-login" $sasl.secret }}{{ end -}}
{{- if and (include "job-submission.passesLogs" .root) (has .component (list "ingress" "watcher")) -}}
{{- $_ := set $secrets "logs" (include "job-submission.logsSecret" .root) -}}
{{- end -}}
{{- $part := .part -}}
{{- /* of these one key alone is for the pods: the Secret of the tokens may hold the plain one of `helm test` */}}
{{- $keys := dict "kafka-login" $sasl.passwordKey "tokens" "tokens.json" -}}
{{- /* with a Secret that is not optional the kubelet leaves the files as they were when it is deleted, and revokes nothing */}}
{{- $optional := list "tokens" "signing-key" "signing-keys" -}}
{{- range $name, $secret := $secrets }}
{{- if eq $part "volumes" }}
- name: {{ $name }}
  {{- $key := get $keys $name }}
  secret: {secretName: {{ $secret | quote }}, defaultMode: 0440{{ with $key }}, items: [{key: {{ . | quote }}, path: {{ . | quote }}}]{{ end }}{{ if has $name $optional }}, optional: true{{ end }}}
{{- else }}
- {name: {{ $name }}, mountPath: /etc/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- if and (eq $kind "token") $sasl.oauth.audience }}
{{- if eq $part "volumes" }}
- name: kafka-token
  projected: {defaultMode: 0440, sources: [{serviceAccountToken: {audience: {{ $sasl.oauth.audience | quote }}, expirationSeconds: 3600, path: token}}]}
{{- else }}
- {name: kafka-token, mountPath: /var/run/secrets/kafka, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
