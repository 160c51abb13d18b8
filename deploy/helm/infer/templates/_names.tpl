{{- define "infer.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "infer.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "infer.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "infer.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "infer.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "infer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "infer.selector" -}}
app.kubernetes.io/name: {{ include "infer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "infer.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "infer.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The secret with the Redis URL: one that exists, or the chart's own. Neither is an error. */}}
{{- define "infer.redisSecret" -}}
{{- if .Values.redis.existingSecret -}}
{{- .Values.redis.existingSecret -}}
{{- else if .Values.redis.url -}}
{{- printf "%s-redis" (include "infer.fullname" .) -}}
{{- else -}}
{{- fail "name the secret with the Redis URL: --set redis.existingSecret=NAME (or redis.url for a try-out)" -}}
{{- end -}}
{{- end -}}

{{- define "infer.metricsUrl" -}}
{{- printf "http://%s-metrics.%s.svc:%d" (include "infer.fullname" .) .Release.Namespace (int .Values.metrics.port) -}}
{{- end -}}
