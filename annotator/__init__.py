"""Turn the picture archive of a ZoneMinder-like recorder into answers."""

__version__ = "0.1.0"
