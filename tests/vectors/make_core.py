"""Writes the vectors of the core: ``python -m tests.vectors.make_core``, from the top folder."""

from __future__ import annotations

from . import core_encoding, core_headers, core_ident, core_identity, core_runs
from .by_hand import KEYS, ROOT_SEEDS, write_vectors


def main() -> None:
    """Write every file."""
    write_vectors("encoding", core_encoding.ABOUT, core_encoding.encoding_cases())
    write_vectors("header", core_headers.ABOUT, core_headers.header_cases(), keys=KEYS)
    write_vectors("run", core_runs.ABOUT, core_runs.run_cases(), keys=KEYS)
    write_vectors(
        "identity",
        core_identity.ABOUT,
        core_identity.identity_cases(),
        keys=KEYS,
        root_seeds=ROOT_SEEDS,
        root_keys=core_identity.root_key_rows(),
        short_ids=core_identity.short_id_rows(),
    )
    write_vectors(
        "ident", core_ident.ABOUT, core_ident.ident_cases(), keys=KEYS, root_seeds=ROOT_SEEDS
    )


if __name__ == "__main__":
    main()
