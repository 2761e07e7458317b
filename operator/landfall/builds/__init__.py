"""Builds an image from a repository: detection of the framework, build plan, image. A library without Kubernetes."""
