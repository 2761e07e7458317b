"""The REST routes. They translate between HTTP and the resources, and decide nothing."""
