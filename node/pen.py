"""The pen of a home: whether it may sign, and what has to be done before anything is sent."""

from __future__ import annotations

from ..store.base import NodeStore, StoreError
from .errors import Code, ServiceError, storage_error
from .home import Home
from .witness import Witness


class Pen:
    """Guards the device key of one home, as long as this process has it."""

    def __init__(self, home: Home, store: NodeStore, device: bytes) -> None:
        """Look at the home once; what is found holds until it is opened again.

        Only own entries that the disk damaged may come back meanwhile.

        Raises:
            ServiceError: the database fails at this first look into it.
        """
        self._home = home
        self._witness = Witness(home, store, device)
        self.objection = self._found()

    def _found(self) -> ServiceError | None:
        try:
            return self._witness.objection()
        except OSError as error:
            return _unwritable(self._home, error)
        except StoreError as error:
            raise storage_error(error) from error

    def require(self) -> None:
        """Require that this home may sign now.

        Raises:
            ServiceError: ``integrity``: it is a copy, or was put back from an older one;
                ``locked``: another process has taken the home.
        """
        if self._witness.waits:
            self.objection = self._found()
        if self.objection is not None:
            raise self.objection
        self._home.require_still_held()

    def before_sending(self) -> None:
        """Note what this device has signed, before a peer may see it.

        A home that must not sign notes nothing, or it would witness against itself no more. It
        may send if it holds no own entry that was never sent: in its place the home that it was
        copied from may have signed another one since.

        Raises:
            ServiceError: nothing may be sent. ``integrity``: of such an entry; ``storage``: it
                cannot be noted.
        """
        if self._witness.waits:
            self.objection = self._found()
        if self.objection is not None:
            if not self._witness.names_all:
                raise self.objection
            return
        try:
            self._witness.cover()
        except OSError as error:
            raise _unwritable(self._home, error) from error


def _unwritable(home: Home, error: OSError) -> ServiceError:
    return ServiceError(
        Code.STORAGE,
        f"{home.witness} cannot be kept: {error.strerror or error}",
        "check the free space and the permissions of the home",
    )
