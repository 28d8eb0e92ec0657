{{/* Who sends a request, as the service decides it: HTTP_AUTHENTICATION of docs/settings.md. */}}
{{- define "job-submission.authentication" -}}
{{- $mode := .Values.settings.HTTP_AUTHENTICATION | default "auto" -}}
{{- if ne $mode "auto" }}{{ $mode }}{{ else if .Values.tokensSecret }}tokens{{ else }}none{{ end }}
{{- end }}

{{/* What they may do, likewise: HTTP_AUTHORISATION. */}}
{{- define "job-submission.authorisation" -}}
{{- $mode := .Values.settings.HTTP_AUTHORISATION | default "auto" -}}
{{- $authentication := include "job-submission.authentication" . -}}
{{- if ne $mode "auto" }}{{ $mode }}{{ else if eq $authentication "oidc" }}none{{ else }}{{ $authentication }}{{ end }}
{{- end }}

{{/* Not empty where the pods that answer HTTP ask the cluster about users: the reviews that they create, joined by commas. */}}
{{- define "job-submission.reviews" -}}
{{- $reviews := list -}}
{{- if eq (include "job-submission.authentication" .) "kubernetes" }}{{ $reviews = append $reviews "tokenreviews" }}{{ end -}}
{{- if eq (include "job-submission.authorisation" .) "kubernetes" }}{{ $reviews = append $reviews "subjectaccessreviews" }}{{ end -}}
{{ join "," $reviews }}
{{- end }}

{{/* The port of the OIDC issuer, empty where there is none. */}}
{{- define "job-submission.issuerPort" -}}
{{- if eq (include "job-submission.authentication" .) "oidc" -}}
{{- $url := urlParse (.Values.settings.HTTP_OIDC_ISSUER | default "") -}}
{{ regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default "443" }}
{{- end -}}
{{- end }}
