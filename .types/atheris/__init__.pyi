"""The part of atheris that `tests.fuzz` uses; `make fuzz` installs the package."""

from collections.abc import Callable
from contextlib import AbstractContextManager

def instrument_imports(
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    enable_loader_override: bool = True,
) -> AbstractContextManager[None]: ...
def Mutate(data: bytes, max_size: int) -> bytes: ...
def Setup(
    args: list[str],
    test_one_input: Callable[[bytes], None],
    *,
    custom_mutator: Callable[[bytes, int, int], bytes] | None = None,
) -> list[str]: ...
def Fuzz() -> None: ...
