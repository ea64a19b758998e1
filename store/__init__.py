"""The edit memory: edits, their vectors and their history in one SQLite file.

Knows nothing of models or of the command line: vectors come in as arrays, errors go out as
:class:`store.errors.StoreError`.
"""

from store.edits import Draft, Edit, Kind

__all__ = ["Draft", "Edit", "Kind"]
