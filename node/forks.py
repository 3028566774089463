"""Forked logs, as people see them: whose, from where on, and whether anything is left to do."""

from __future__ import annotations

from ..protocol.hashing import short_id
from ..store.base import ForkedLog, NodeStore
from .names import find_who
from .people_operations import ForkBranchView, ForksRequest, ForksResult, ForkView
from .views import Views


class Forks:
    """What is known of devices that signed two entries with one number."""

    def __init__(self, store: NodeStore, identity: bytes, device: bytes) -> None:
        self._store = store
        self._identity = identity
        self._device = device

    def forks(self, request: ForksRequest) -> ForksResult:
        """Return the forked logs of all, or of one identity."""
        who = find_who(self._store, request.who).identity if request.who else None
        views = Views(self._store, self._identity)
        found = [self._view(forked, views) for forked in self._store.forked_logs(who)]
        found.sort(key=lambda fork: (not fork.this, not fork.person.own))
        return ForksResult(forks=tuple(found))

    def own_open(self) -> int:
        """Count the forked logs of own devices that are not closed yet."""
        forked = self._store.forked_logs(self._identity)
        return sum(not self._label_and_closed(each)[1] for each in forked)

    def _view(self, forked: ForkedLog, views: Views) -> ForkView:
        device = forked.log.device
        label, closed = self._label_and_closed(forked)
        one, other = (branch.id_at(forked.proof.frozen_from) for branch in forked.proof.branches)
        return ForkView(
            person=views.person(forked.identity),
            device=device.hex(),
            device_short_id=short_id(device),
            device_label=label,
            this=device == self._device,
            closed=closed,
            channel=forked.log.channel,
            frozen_from=forked.proof.frozen_from,
            branches=(self._branch(one), self._branch(other)),
            kept=forked.kept,
        )

    def _branch(self, entry_id: bytes) -> ForkBranchView:
        held = self._store.entry(entry_id)
        return ForkBranchView(
            id=entry_id.hex(),
            short_id=short_id(entry_id),
            held=held is not None,
            void=held is not None and held.void is not None,
        )

    def _label_and_closed(self, forked: ForkedLog) -> tuple[str, bool]:
        standing = self._store.standing(forked.identity)
        one = standing.devices.get(forked.log.device) if standing else None
        return ("", False) if one is None else (one.certificate.label, not one.open)
