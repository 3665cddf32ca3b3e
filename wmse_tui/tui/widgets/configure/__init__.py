"""Parts of the Configure screen."""
