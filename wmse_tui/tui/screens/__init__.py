"""The screens and the dialogs."""
