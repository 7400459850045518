{{/* What a pod with the sidecar is found by: PodMonitor and NetworkPolicy of deploy/kubernetes select it. */}}
{{- define "sidecheck.labels" -}}
sidecheck: beside
{{- end }}

{{/* The native sidecar, an item of initContainers. Its context is this chart: .Subcharts.sidecheck */}}
{{- define "sidecheck.container" -}}
- name: sidecheck
  {{- include "sidecheck.image" . | nindent 2 }}
  restartPolicy: Always
  args: [{{ include "sidecheck.serve" . }}]
  env:
    {{- include "sidecheck.env.metrics" . | nindent 4 }}
    - {name: SIDECHECK_WORKERS, value: {{ .Values.sidecar.workers | quote }}}
    {{- with .Values.sidecar.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - {name: metrics, containerPort: 9464}
  {{- if .Values.sidecar.startupProbe }}
  {{- include "sidecheck.probe.startup" . | nindent 2 }}
  {{- end }}
  {{- include "sidecheck.probe.liveness" . | nindent 2 }}
  resources: {{- toYaml .Values.sidecar.resources | nindent 4 }}
  {{- include "sidecheck.security" . | nindent 2 }}
  volumeMounts:
    {{- include "sidecheck.mounts" . | nindent 4 }}
    {{- with .Values.sidecar.volumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* The volumes that the container mounts, items of volumes. */}}
{{- define "sidecheck.volumes" -}}
- name: sidecheck-data
  {{- toYaml .Values.sidecar.data | nindent 2 }}
{{ include "sidecheck.volumes.common" . }}
{{- with .Values.sidecar.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
