"""Reports: one run, or several compared, as a file for people who do not have this program."""
