"""Messages to people: e-mail, Slack, webhooks."""
