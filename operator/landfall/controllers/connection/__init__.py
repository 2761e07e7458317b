"""The controller that tests Connections and Webhooks."""
