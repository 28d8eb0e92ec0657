"""The command line `jobsub`. Modules here import `click` alone at their top, so that `--help` comes at once."""
