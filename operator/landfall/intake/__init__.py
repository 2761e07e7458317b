"""Where workers report. A report is believed only from the pod of a Job that belongs to what it reports on."""
