"""The panels of the Monitor screen."""
