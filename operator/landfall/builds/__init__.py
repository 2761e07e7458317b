"""From a repository to an image: what it is, how it is built. A library that never heard of Kubernetes."""
