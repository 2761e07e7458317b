"""The controller of Connections and Webhooks, which tests them."""
