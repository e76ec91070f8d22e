"""Static files from packages, served from memory under addresses that change with their content."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from aiohttp import web

from shared.errors import NotFound

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    content_type: str


class StaticFiles:
    """The files of some folders under ``/{prefix}/{version}/``.

    One version stands for all of them, so that a style sheet may name its fonts and images relatively.
    """

    def __init__(
        self, folders: Iterable[Traversable], prefix: str = "/static", *, only: Collection[str] | None = None
    ) -> None:
        """Of two files with one name the one in the later folder counts; ``only`` names those to take, if not all."""
        self._prefix = prefix
        self._files: dict[str, _File] = {}
        for folder in folders:
            self._files.update((name, file) for name, file in _read(folder) if only is None or name in only)
        digest = sha256()
        for name, file in sorted(self._files.items()):
            digest.update(b"%d %s %d " % (len(name), name.encode(), len(file.content)) + file.content)
        self.version = digest.hexdigest()[:16]

    def url(self, name: str) -> str:
        """The address of a file; an unknown one is a defect of the page: ``LookupError``."""
        if name not in self._files:
            raise LookupError(f"there is no static file {name}")
        return f"{self._prefix}/{self.version}/{name}"

    def routes(self) -> list[web.RouteDef]:
        """The route that serves them."""
        return [web.get(self._prefix + "/{version}/{name:.+}", self._serve)]

    async def _serve(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise NotFound
        # While replicas of two releases run side by side, one gets asked for the other's version: serve, do not keep.
        current = request.match_info["version"] == self.version
        keep = "public, max-age=31536000, immutable" if current else "no-store"
        return web.Response(body=file.content, headers={"Content-Type": file.content_type, "Cache-Control": keep})


def _read(folder: Traversable, above: str = "") -> Iterator[tuple[str, _File]]:
    for entry in folder.iterdir():
        name = f"{above}{entry.name}"
        if entry.is_dir():
            yield from _read(entry, f"{name}/")
        elif not entry.name.startswith(".") and (kind := _TYPES.get(PurePosixPath(entry.name).suffix)):
            yield name, _File(entry.read_bytes(), kind)
