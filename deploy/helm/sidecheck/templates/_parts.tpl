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

{{/* Options as variables, so that no file has to be mounted: one for each section, as JSON. */}}
{{- define "sidecheck.env.config" -}}
{{- range $section, $options := .Values.config }}
- {name: SIDECHECK_{{ upper $section }}, value: {{ kindIs "string" $options | ternary $options (toJson $options) | quote }}}
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

{{- define "sidecheck.mounts" -}}
- {name: sidecheck-data, mountPath: /data}
- {name: sidecheck-tmp, mountPath: /tmp}
- {name: sidecheck-metrics, mountPath: /etc/sidecheck/metrics, readOnly: true}
{{- end }}

{{- define "sidecheck.volumes.common" -}}
- name: sidecheck-tmp
  emptyDir: {sizeLimit: 256Mi}
- name: sidecheck-metrics
  secret: {secretName: {{ .Values.metricsSecret }}, defaultMode: 0440}
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
{{- include "sidecheck.env.config" . }}
{{- with .Values.group.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
