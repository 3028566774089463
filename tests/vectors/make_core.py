"""Writes the vectors of the core: ``python -m tests.vectors.make_core``, from the top folder."""

from __future__ import annotations

from pathlib import Path

from . import core_encoding, core_headers, core_ident, core_identity, core_runs, core_sync
from .by_hand import KEYS, ROOT_SEEDS, vector_text


def core_files() -> dict[str, str]:
    """Every file by its name."""
    return {
        "encoding.json": vector_text(core_encoding.ABOUT, core_encoding.encoding_cases()),
        "header.json": vector_text(core_headers.ABOUT, core_headers.header_cases(), keys=KEYS),
        "run.json": vector_text(core_runs.ABOUT, core_runs.run_cases(), keys=KEYS),
        "identity.json": vector_text(
            core_identity.ABOUT,
            core_identity.identity_cases(),
            keys=KEYS,
            root_seeds=ROOT_SEEDS,
            root_keys=core_identity.root_key_rows(),
            rotation_keys=core_identity.rotation_key_rows(),
            short_ids=core_identity.short_id_rows(),
        ),
        "ident.json": vector_text(
            core_ident.ABOUT, core_ident.ident_cases(), keys=KEYS, root_seeds=ROOT_SEEDS
        ),
        "roster.json": vector_text(core_sync.ABOUT_ROSTERS, core_sync.roster_cases()),
        "digest.json": vector_text(core_sync.ABOUT_DIGESTS, core_sync.digest_cases()),
        "frames.json": vector_text(core_sync.ABOUT_FRAMES, core_sync.frame_cases()),
    }


def main() -> None:
    """Write every file."""
    for name, text in core_files().items():
        Path(__file__).with_name(name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
