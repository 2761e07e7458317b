"""Receives reports of workers. A report is accepted only from the pod of a Job that belongs to the reported object."""
