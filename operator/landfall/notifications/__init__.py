"""Notifications: e-mail, Slack, webhooks."""
