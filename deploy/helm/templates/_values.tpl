{{/*
Gives every value that is missing or null its default again; the first line of each template file. Helm removes a value
that is set to null, and a section left empty in a values file is one. What is handed to Kubernetes as it is stays
removed, so that `securityContext.runAsUser: null` or `resources: null` leave it out.
*/}}
{{- define "job-submission.values" -}}
{{- include "job-submission.fillValues" (dict "values" .Values "defaults" (.Files.Get "files/defaults.yaml" | fromYaml)) -}}
{{- end }}

{{- define "job-submission.fillValues" -}}
{{- $asTheyAre := list "resources" "podSecurityContext" "securityContext" "strategy" "updateStrategy" "livenessProbe" "readinessProbe" "startupProbe" "labels" "timeouts" -}}
{{- $values := .values -}}
{{- range $key, $default := .defaults -}}
{{- $given := get $values $key -}}
{{- if has $key $asTheyAre -}}
{{- else if and (kindIs "map" $default) (kindIs "map" $given) -}}
{{- include "job-submission.fillValues" (dict "values" $given "defaults" $default) -}}
{{- else if or (not (hasKey $values $key)) (kindIs "invalid" $given) -}}
{{- $_ := set $values $key $default -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Refuses values that the schema allows one by one and that do not go together. */}}
{{- define "job-submission.checkValues" -}}
{{- if .Values.embeddedKafka.enabled -}}
{{- if .Values.kafka.bootstrapServers -}}
{{- fail "kafka.bootstrapServers and embeddedKafka.enabled are two Kafkas: choose one" -}}
{{- end -}}
{{- if or .Values.kafka.tls.enabled .Values.kafka.sasl.enabled .Values.strimzi.topics .Values.topics.job -}}
{{- fail "embeddedKafka is for trying the service out: it has no TLS and no login, and the service makes its topics" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.topics.job .Values.strimzi.topics -}}
{{- fail "topics.job and strimzi.topics both make the topics: choose one" -}}
{{- end -}}
{{- if and .Values.projects.allNamespaces (not .Values.rbac.clusterRole) -}}
{{- fail "projects.allNamespaces needs rbac.clusterRole: name the projects in projects.names instead" -}}
{{- end -}}
{{- $outside := or .Values.expose.ingress.enabled .Values.expose.httpRoute.enabled (ne .Values.service.type "ClusterIP") .Values.service.externalIPs -}}
{{- $authentication := include "job-submission.authentication" . -}}
{{- if and $outside (eq $authentication "none") (not .Values.expose.allowUnauthenticated) -}}
{{- fail "without authentication whoever reaches the service can submit as anybody: set tokensSecret or settings.HTTP_AUTHENTICATION, or expose.allowUnauthenticated=true where a proxy in front authenticates and replaces the header RA-USER" -}}
{{- end -}}
{{- if and .Values.tokensSecret (ne $authentication "tokens") -}}
{{- fail (printf "tokensSecret and settings.HTTP_AUTHENTICATION=%s are two ways to know users: choose one" $authentication) -}}
{{- end -}}
{{- if and (eq $authentication "tokens") (not .Values.tokensSecret) -}}
{{- fail "settings.HTTP_AUTHENTICATION=tokens takes a list of them: set tokensSecret" -}}
{{- end -}}
{{- if and .Values.signatures.required (not (and .Values.signatures.keysSecret .Values.signatures.signingKeySecret)) -}}
{{- fail "signatures.required takes the keys of the producers and one of the service's own: set signatures.keysSecret and signatures.signingKeySecret" -}}
{{- end -}}
{{- if and (include "job-submission.reviews" .) .Values.rbac.create (not .Values.rbac.clusterRole) -}}
{{- fail "the right to review tokens and access is one of the whole cluster, and needs rbac.clusterRole, or rbac.create=false where somebody else grants it" -}}
{{- end -}}
{{- $scraped := or .Values.monitoring.scrapeAnnotations .Values.monitoring.podMonitor.enabled .Values.monitoring.serviceMonitor.enabled -}}
{{- if and $scraped .Values.networkPolicy.enabled (not .Values.networkPolicy.scrapers) -}}
{{- fail "the NetworkPolicy lets nobody scrape: name your Prometheus in networkPolicy.scrapers, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]" -}}
{{- end -}}
{{- end }}
