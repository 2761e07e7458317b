{{/* Generated from operator/landfall/kube/permissions.py, which says why. */}}
{{- define "landfall.operatorRules" }}
- apiGroups:
  - landfall.dev
  resources:
  - connections
  - migrations
  - runs
  - tableplans
  - appdeployments
  - releases
  - webhooks
  verbs:
  - get
  - list
  - watch
- apiGroups:
  - landfall.dev
  resources:
  - runs
  - tableplans
  - releases
  verbs:
  - create
- apiGroups:
  - landfall.dev
  resources:
  - appdeployments
  verbs:
  - create
- apiGroups:
  - landfall.dev
  resources:
  - releases
  verbs:
  - patch
  - delete
- apiGroups:
  - landfall.dev
  resources:
  - migrations
  verbs:
  - patch
- apiGroups:
  - landfall.dev
  resources:
  - connections/status
  - migrations/status
  - runs/status
  - tableplans/status
  - appdeployments/status
  - releases/status
  - webhooks/status
  verbs:
  - get
  - update
- apiGroups:
  - landfall.dev
  resources:
  - migrations/finalizers
  - appdeployments/finalizers
  - releases/finalizers
  verbs:
  - update
- apiGroups:
  - batch
  resources:
  - jobs
  verbs:
  - get
  - list
  - watch
  - create
  - patch
  - delete
- apiGroups:
  - ''
  resources:
  - configmaps
  verbs:
  - get
  - list
  - create
  - delete
- apiGroups:
  - ''
  resources:
  - secrets
  verbs:
  - get
  - create
  - patch
  - delete
- apiGroups:
  - ''
  resources:
  - pods
  verbs:
  - get
  - list
- apiGroups:
  - apps
  resources:
  - deployments
  verbs:
  - get
  - list
  - watch
  - create
  - patch
- apiGroups:
  - ''
  resources:
  - services
  verbs:
  - get
  - create
  - patch
  - delete
- apiGroups:
  - networking.k8s.io
  resources:
  - ingresses
  verbs:
  - get
  - create
  - patch
  - delete
- apiGroups:
  - ''
  resources:
  - namespaces
  verbs:
  - get
- apiGroups:
  - ''
  resources:
  - events
  verbs:
  - create
  - list
{{- end }}
{{- define "landfall.clusterRules" }}
- apiGroups:
  - ''
  resources:
  - nodes
  verbs:
  - list
- apiGroups:
  - ''
  resources:
  - namespaces
  verbs:
  - list
  - watch
- apiGroups:
  - apiextensions.k8s.io
  resources:
  - customresourcedefinitions
  verbs:
  - list
  - watch
- apiGroups:
  - authentication.k8s.io
  resources:
  - tokenreviews
  verbs:
  - create
{{- end }}
