"""The composition root: the only package that knows which adapter stands behind which port.

Every function imports what it builds, so that `--help` and `query` load nothing heavy. A command
of the CLI is one call of a function in one of these modules.
"""
