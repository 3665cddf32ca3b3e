"""The process that answers, for the app, what only torch can tell: sizes, step times, pictures of views."""
