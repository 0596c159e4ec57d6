"""A backup is one file: the database as it was at one moment, and the keys of DATA_DIR.

It is made while everything runs. SQLite copies its pages by its backup interface, PostgreSQL by
pg_dump; both show one moment, whatever is written meanwhile. Whoever reads the file can read all
mail and sign receipts: it is as secret as the machine.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import connection, connections

from mailweb.lib.errors import UserError
from mailweb.lib.sealed import BrokenSealError, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS: Final = ("secret_key", "receipt_key.pem")
"""What must be kept of DATA_DIR beside the database."""

_FORMAT: Final = 1
_MANIFEST, _SQLITE, _POSTGRESQL = "manifest.json", "database.sqlite3", "database.pgdump"
_PURPOSE, _SEALED = "backup", b"This can be opened."


class BackupError(UserError):
    """The backup can't be made or restored, and nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself; `seal` opens only with the SECRET_KEY it was made with."""

    version: str
    engine: str
    made_at: str
    keys: tuple[str, ...]
    seal: str


def make(target: Path) -> Manifest:
    """Write a backup to `target`, readable by its owner alone, whole or not at all."""
    if target.exists():
        raise BackupError(f"{target} exists already.")
    with _beside(target) as folder:
        dump = folder / (_SQLITE if _is_sqlite() else _POSTGRESQL)
        (_copy_sqlite if _is_sqlite() else _dump_postgresql)(dump)
        manifest = _manifest()
        whole = folder / "backup"
        with _private(whole) as file, tarfile.open(fileobj=file, mode="w") as tar:
            _add(tar, _MANIFEST, json.dumps(_document(manifest), indent=1).encode())
            for name in manifest.keys:
                _add(tar, name, (settings.DATA_DIR / name).read_bytes())
            tar.add(dump, dump.name, filter=_owned_by_nobody)
        with whole.open("rb") as written:
            os.fsync(written.fileno())
        whole.rename(target)
    return manifest


def restore(source: Path) -> Manifest:
    """Put the backup in `source` into this installation, which must be empty.

    Raises:
        BackupError: it is no backup, it belongs to another SECRET_KEY or another kind of database, or
            there is something here already.
    """
    try:
        with tarfile.open(source, "r") as tar:
            manifest = _read_manifest(tar)
            _check(manifest)
            with _beside(settings.DATA_DIR / "restored") as folder:
                tar.extractall(folder, members=_members(tar, manifest), filter="data")
                _put_back(folder, manifest)
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise BackupError(f"{source} can't be read: {error}.") from error
    return manifest


# Making


def _is_sqlite() -> bool:
    return bool(connection.vendor == "sqlite")


def _manifest() -> Manifest:
    return Manifest(
        version=settings.VERSION,
        engine=connection.vendor,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        keys=tuple(name for name in KEYS if (settings.DATA_DIR / name).exists()),
        seal=seal(_SEALED, purpose=_PURPOSE).decode(),
    )


def _document(manifest: Manifest) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "version": manifest.version,
        "engine": manifest.engine,
        "made_at": manifest.made_at,
        "keys": list(manifest.keys),
        "seal": manifest.seal,
    }


def _copy_sqlite(target: Path) -> None:
    with closing(sqlite3.connect(settings.DATABASES["default"]["NAME"])) as here:
        _private(target).close()
        with closing(sqlite3.connect(target)) as there:
            # All pages in one step: the copy would begin anew whenever somebody writes between two.
            here.backup(there, pages=-1)


def _dump_postgresql(target: Path) -> None:
    _private(target).close()
    _postgresql("pg_dump", "--format=custom", "--no-owner", "--no-acl", f"--file={target}")


def _postgresql(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on our database; the password is not among its arguments."""
    given = connection.settings_dict
    path = shutil.which(program)
    if path is None:
        raise BackupError(f"{program} is not installed; it comes with PostgreSQL's client.")
    names = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
    own = {name: str(given[key]) for name, key in names.items() if given.get(key)}
    done = subprocess.run(  # noqa: S603  # a program of PostgreSQL, with arguments of ours
        [path, f"--dbname={given['NAME']}", *arguments],
        env={**os.environ, **own},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip()}")


# Restoring


def _read_manifest(tar: tarfile.TarFile) -> Manifest:
    file = tar.extractfile(_MANIFEST)
    found = json.loads(file.read()) if file is not None else {}
    if found.pop("format", None) != _FORMAT:
        raise BackupError("This is no backup that this version can read.")
    return Manifest(**{**found, "keys": tuple(found["keys"])})


def _check(manifest: Manifest) -> None:
    if manifest.engine != connection.vendor:
        raise BackupError(
            f"This is a backup of {manifest.engine}, and this installation uses {connection.vendor}."
        )
    if set(manifest.keys) - set(KEYS):
        raise BackupError("This backup has keys that this version does not know.")
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    if tables:
        raise BackupError("There is a database here already: a backup goes into an empty one only.")
    if "secret_key" not in manifest.keys or settings.HAS_SECRET_KEY_OF_ITS_OWN:
        try:
            unseal(manifest.seal.encode(), purpose=_PURPOSE)
        except BrokenSealError:
            raise BackupError(
                "This backup was made with another SECRET_KEY: set that one, or add it to"
                " SECRET_KEY_FALLBACKS, before you restore."
            ) from None


def _members(tar: tarfile.TarFile, manifest: Manifest) -> Iterator[tarfile.TarInfo]:
    for name in (*manifest.keys, _SQLITE if _is_sqlite() else _POSTGRESQL):
        yield tar.getmember(name)


def _put_back(folder: Path, manifest: Manifest) -> None:
    connections.close_all()
    if _is_sqlite():
        database = Path(settings.DATABASES["default"]["NAME"])
        for left in ("-wal", "-shm"):
            database.with_name(database.name + left).unlink(missing_ok=True)
        (folder / _SQLITE).chmod(0o600)
        (folder / _SQLITE).replace(database)
    else:
        _postgresql("pg_restore", "--no-owner", "--single-transaction", str(folder / _POSTGRESQL))
    for name in manifest.keys:
        if name == "secret_key" and settings.HAS_SECRET_KEY_OF_ITS_OWN:
            continue
        (folder / name).chmod(0o600)
        (folder / name).replace(settings.DATA_DIR / name)


# Files


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Make a private folder on the same disk as `target`, gone with the block."""
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as folder:
        yield Path(folder)


def _private(path: Path) -> io.FileIO:
    return io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    tar.addfile(entry, io.BytesIO(content))


def _owned_by_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry
