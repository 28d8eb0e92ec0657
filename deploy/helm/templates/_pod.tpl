{{/* What every container of the chart is held to: the Pod Security level `restricted`, and a root that cannot be written. */}}
{{- define "job-submission.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "job-submission.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Where a pod's image comes from and which nodes it may go to: a dict of `root` and a role's `values`. */}}
{{- define "job-submission.placement" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The same of a hook's Job: as the pods that answer HTTP. */}}
{{- define "job-submission.jobPlacement" -}}
{{ include "job-submission.placement" (dict "root" . "values" (ternary .Values.consumer .Values.ingress (eq .Values.mode "all"))) }}
{{- end }}

{{/* The pod template of one role: a dict of `root`, `role`, the role's `values`, `grace` and `account`. */}}
{{- define "job-submission.pod" -}}
{{- $root := .root -}}
{{- $serves := ne .role "consumer" -}}
metadata:
  labels:
    {{- include "job-submission.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
    {{- with .values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # a change of the settings is a rollout
    checksum/settings: {{ include "job-submission.settings" $root | sha256sum }}
    {{- if $root.Values.monitoring.scrapeAnnotations }}
    prometheus.io/scrape: "true"
    prometheus.io/port: "9090"
    prometheus.io/path: /metrics
    {{- end }}
    {{- with .values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: {{ ne .role "ingress" }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace }}
  {{- with include "job-submission.placement" (dict "root" $root "values" .values) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .values.topologySpreadConstraints }}
  topologySpreadConstraints: {{ toYaml . | nindent 4 }}
  {{- end }}
  affinity:
    {{- if .values.affinity }}
    {{- toYaml .values.affinity | nindent 4 }}
    {{- else }}
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "job-submission.selector" $root | nindent 16 }}
                app.kubernetes.io/component: {{ .role }}
    {{- end }}
  securityContext: {{- include "job-submission.podSecurity" $root | nindent 4 }}
  containers:
    - name: job-submission
      image: {{ include "job-submission.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ .role }}]
      envFrom:
        - configMapRef: {name: {{ include "job-submission.fullname" $root }}-settings}
      {{- $secret := include "job-submission.secretEnvironment" $root }}
      {{- if or $secret (ne .role "ingress") }}
      env:
        {{- if ne .role "ingress" }}
        # static membership: the pod of the same name keeps its partitions over a restart
        - name: CONSUMER_INSTANCE_ID
          valueFrom:
            fieldRef: {fieldPath: metadata.name}
        {{- end }}
        {{- with $secret }}{{ . | nindent 8 }}{{ end }}
      {{- end }}
      ports:
        {{- if $serves }}
        - {name: http, containerPort: 8080}
        {{- end }}
        - {name: metrics, containerPort: 9090}
      # a slow start is Kafka that does not answer yet: waited for, never a reason to restart
      livenessProbe:
        httpGet: {path: /healthz, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      {{- if and $serves (gt (int $root.Values.ingress.preStopSeconds) 0) }}
      lifecycle:
        preStop:
          # until every kube-proxy and load balancer has taken the pod out
          sleep: {seconds: {{ $root.Values.ingress.preStopSeconds }}}
      {{- end }}
      resources: {{- toYaml .values.resources | nindent 8 }}
      securityContext: {{- include "job-submission.containerSecurity" $root | nindent 8 }}
      {{- with include "job-submission.files" (dict "root" $root "part" "mounts") | trim }}
      volumeMounts:
        {{- . | nindent 8 }}
      {{- end }}
  {{- with include "job-submission.files" (dict "root" $root "part" "volumes") | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}
