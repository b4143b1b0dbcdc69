{{- define "filter.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ $name }}{{ end -}}
{{- end }}

{{- define "filter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "filter.labels" -}}
{{ include "filter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Names of cluster-wide objects hold the namespace: a release of the same name may be in another. */ -}}
{{- define "filter.clusterName" -}}
{{ .Release.Namespace }}:{{ include "filter.name" . }}
{{- end }}

{{- define "filter.usesCluster" -}}
{{ if or .Values.authentication.tokens .Values.policy.cluster }}true{{ end }}
{{- end }}

{{- define "filter.upstream" -}}
{{- if eq .Values.mode "sidecar" -}}
{{ .Values.application.metricsUrl }}
{{- else if eq (len .Values.upstreams) 1 -}}
{{ (first .Values.upstreams).url }}
{{- else -}}
{{- $members := list -}}
{{- range .Values.upstreams }}{{ $members = append $members (printf "%s=%s" .name .url) }}{{ end -}}
{{ join "," $members }}
{{- end -}}
{{- end }}
