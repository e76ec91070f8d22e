"""What an operator verifies with: public keys and exported seals, from outside of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.problems import Problem
from ops.settings import setting
from ops.stack import environment
from services.audit.evidence import ExportedSeals
from services.audit.seals import NoKey, PublicKeys


@dataclass(frozen=True, slots=True)
class Means:
    """The keys that are believed, and the files of exported seals."""

    keys: PublicKeys
    files: tuple[Path, ...]

    @classmethod
    def given(cls, *, public_keys: Sequence[Path], seals: Sequence[Path], data: Path) -> Means:
        """Those named at the command line, else those of the deployment. Raises Problem."""
        read = setting if setting("OWNER_DATABASE_URL") else environment.load(data).get
        pems = [_text(path) for path in public_keys]
        if not pems:
            known = read("SEAL_PUBLIC_KEY")
            if known is None:
                raise Problem("SEAL_PUBLIC_KEY is not set: name the file of the key with --public-key.")
            pems = [known]
        files = tuple(seals)
        if not files and (exported := read("SEALS_FILE")) and Path(exported).exists():
            files = (Path(exported),)
        try:
            return cls(PublicKeys(pems), files)
        except NoKey:
            raise Problem("A public key must be an Ed25519 public key in PEM.") from None

    def exported(self) -> ExportedSeals:
        """The exported seals. Raises Problem when a file can't be read, or holds none."""
        try:
            found = ExportedSeals(self.files)
        except OSError as error:
            raise Problem(f"{error.filename} can't be read: {error.strerror}.") from None
        if self.files and not found.lines and found.damaged:
            raise Problem(f"{', '.join(map(str, self.files))}: there is no seal in it.")
        return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise Problem(f"{path} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Problem(f"{path} holds no public key in PEM.") from None
