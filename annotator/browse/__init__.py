"""The web pages of `annotator browse`: Datasette over the read-only database, with pictures.

Nothing here knows the store, SQLAlchemy or child processes: `annotator.app.browsing` hands it what
`needs.py` names.
"""
