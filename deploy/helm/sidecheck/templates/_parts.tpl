{{- define "sidecheck.image" -}}
{{- $told := "image.repository: build the image (docker build -f deploy/Dockerfile .), push it to your registry, and say where it is" -}}
image: "{{ required $told .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* The kubelet and Prometheus come from outside the pod; the probes' paths are open, /metrics asks for the token. */}}
{{- define "sidecheck.env.metrics" -}}
- {name: SIDECHECK_METRICS__LISTEN, value: "0.0.0.0:9464"}
- {name: SIDECHECK_METRICS__TOKEN_FILE, value: /etc/sidecheck/metrics/token}
{{- end }}

{{/* The ConfigMap that `config` becomes, and how a process is told to read it. */}}
{{- define "sidecheck.config.name" -}}
{{ .Release.Name }}-sidecheck-config
{{- end }}

{{- define "sidecheck.serve" -}}
serve{{ if .Values.config }}, -c, /etc/sidecheck/config/sidecheck.yaml{{ end }}
{{- end }}

{{/* Changes with `config`, and so starts the pods anew that bear it. */}}
{{- define "sidecheck.config.checksum" -}}
checksum/sidecheck-config: {{ toYaml .Values.config | sha256sum }}
{{- end }}

{{/* On pods that can reload. Nothing, where reloading is left to whoever changes `config`. */}}
{{- define "sidecheck.annotations" -}}
{{- if eq .Values.onConfigChange "restart" }}
{{- include "sidecheck.config.checksum" . }}
{{- end }}
{{- end }}

{{- define "sidecheck.probe.startup" -}}
startupProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
{{- end }}

{{- define "sidecheck.probe.readiness" -}}
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
{{- end }}

{{- define "sidecheck.probe.liveness" -}}
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 6
{{- end }}

{{- define "sidecheck.security" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "sidecheck.pod" -}}
automountServiceAccountToken: false
terminationGracePeriodSeconds: 30
securityContext:
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Where the pods of `part` may run, part being a section of the values. */}}
{{- define "sidecheck.placing" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with index $.part $key }}
{{ $key }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "sidecheck.mounts" -}}
- {name: sidecheck-data, mountPath: /data}
- {name: sidecheck-tmp, mountPath: /tmp}
- {name: sidecheck-metrics, mountPath: /etc/sidecheck/metrics, readOnly: true}
{{- if .Values.config }}
- {name: sidecheck-config, mountPath: /etc/sidecheck/config, readOnly: true} # as a folder: a subPath never changes
{{- end }}
{{- end }}

{{- define "sidecheck.volumes.common" -}}
- name: sidecheck-tmp
  emptyDir: {sizeLimit: 256Mi}
- name: sidecheck-metrics
  secret: {secretName: {{ .Values.metricsSecret }}, defaultMode: 0440}
{{- if .Values.config }}
- name: sidecheck-config
  configMap: {name: {{ include "sidecheck.config.name" . }}}
{{- end }}
{{- end }}

{{/* What replicas and page mount. */}}
{{- define "sidecheck.group.mounts" -}}
{{ include "sidecheck.mounts" . }}
{{- with .Values.group.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sidecheck.group.volumes" -}}
{{ include "sidecheck.volumes.common" . }}
{{- with .Values.group.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of the group; `part` is replica or page. */}}
{{- define "sidecheck.group.labels" -}}
app.kubernetes.io/name: sidecheck
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "sidecheck.group.env" -}}
{{ include "sidecheck.env.metrics" . }}
- {name: SIDECHECK_STORE__URL, valueFrom: {secretKeyRef: {name: {{ .Values.group.storeSecret }}, key: url}}}
{{- with .Values.group.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
