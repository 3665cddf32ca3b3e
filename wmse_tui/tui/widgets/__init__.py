"""Parts of screens, one idea a file."""
