{{/* Pod Security "restricted", for every pod of ours. */}}
{{- define "landfall.podSecurity" -}}
{runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
{{- end }}
{{- define "landfall.containerSecurity" -}}
{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
{{- end }}
{{/* What every pod has that works with the operator's account. */}}
{{- define "landfall.operatorPod" -}}
serviceAccountName: {{ .Release.Name }}-operator
automountServiceAccountToken: true
enableServiceLinks: false
imagePullSecrets: {{ toJson .Values.imagePullSecrets }}
nodeSelector: {{ toJson .Values.operator.nodeSelector }}
tolerations: {{ toJson .Values.operator.tolerations }}
securityContext: {{ include "landfall.podSecurity" . }}
{{- end }}
{{/* What a role of ours is: a ClusterRole, or with watchNamespaces a Role of the same name in each of them; and whom it is bound to.
     root; name: what follows the release's; rules; more: rules that only the cluster can give; labels: of the ClusterRole; bound: whether our account of that name has it. */}}
{{- define "landfall.role" }}
{{- $it := . }}{{ $root := .root }}{{ $name := printf "%s-%s" .root.Release.Name .name }}
{{- range default (list "") $root.Values.watchNamespaces }}
{{- $of := empty . | ternary "Cluster" "" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $of }}Role
metadata:
  name: {{ $name }}
  {{- if . }}
  namespace: {{ . }}
  {{- else if $it.labels }}
  labels: {{ toJson $it.labels }}
  {{- end }}
rules:
{{ trim $it.rules }}
{{- if empty . }}
{{ trim (default "" $it.more) }}
{{- end }}
{{- if $it.bound }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $of }}RoleBinding
metadata:
  name: {{ $name }}
  {{- with . }}
  namespace: {{ . }}
  {{- end }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{ $of }}Role, name: {{ $name }}}
subjects: [{kind: ServiceAccount, name: {{ $name }}, namespace: {{ $root.Release.Namespace }}}]
{{- end }}
{{- end }}
{{- end }}
