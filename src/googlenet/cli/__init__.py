"""The command ``googlenet``: one file a verb, thin, everything heavy imported when a verb runs."""
