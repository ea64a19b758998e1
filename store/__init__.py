"""The edit memory: edits, their vectors and their history in one SQLite file.

Knows nothing of models or of the command line: vectors come in as arrays, errors go out as
:class:`store.errors.StoreError`.
"""

from store.edits import DEFAULT_KIND, MAX_LABEL_LENGTH, MAX_TEXT_LENGTH, Draft, Edit, Kind
from store.history import Action, Event
from store.memory import DEFAULT_SEARCH_LIMIT, Memory
from store.probes import Probe
from store.vectors import EncoderIdentity, VectorBatch

__all__ = [
    "DEFAULT_KIND",
    "DEFAULT_SEARCH_LIMIT",
    "MAX_LABEL_LENGTH",
    "MAX_TEXT_LENGTH",
    "Action",
    "Draft",
    "Edit",
    "EncoderIdentity",
    "Event",
    "Kind",
    "Memory",
    "Probe",
    "VectorBatch",
]
