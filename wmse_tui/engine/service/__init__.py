"""The process that computes for the app what needs torch: sizes, step times, previews of views."""
