"""The shelf of own-laboratory models: a folder beside the cases, a folder in it for each model.

A model is made in a hidden folder and put in its place by one rename, so that it is there as a
whole or not at all, whatever ends the process; several processes may work on the shelf at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import uuid
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from allcell.engines import kept_graphs
from allcell.engines.choosing import choices
from allcell.environment.files import sync_folder, write_whole
from allcell.errors import ModelError
from allcell.own.access import EVERYONE, Who, may_change, may_use, owner_of_new, refuse_reader
from allcell.own.card import PREFIX, Card
from allcell.own.card_file import card_json
from allcell.own.naming import check_name, make_id
from allcell.own.own_model import CARD_FILE, ONNX_FILE, Damaged, OwnModel, shelved
from allcell.own.shelf_faults import faults, write_through
from allcell.settings import settings

#: Prefixes of the folders of a model that is being made, and of one that is being deleted.
_NEW, _GONE = ".new-", ".gone-"
#: A folder that is being made and is older belongs to a process that was killed.
_LONGEST_S = 3600.0


class Shelf:
    """All own-laboratory models of one installation.

    Args:
        folder: Where they are; made when the first one is added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def models(self, who: Who | None = None) -> tuple[OwnModel, ...]:
        """The models that someone may use, by name.

        Args:
            who: For whom; None for whoever may read the files.

        Raises:
            ModelError: If the folder cannot be read.
        """
        found = [one for one in self._all() if isinstance(one, OwnModel) and may_use(one.card, who)]
        return tuple(sorted(found, key=lambda one: (one.card.name.casefold(), one.card.id)))

    def damaged(self, who: Who | None = None) -> tuple[Damaged, ...]:
        """What cannot be used; for those who log in nothing, as nobody knows whose it was.

        Raises:
            ModelError: If the folder cannot be read.
        """
        if who is not None and who.logged_in:
            return ()
        return tuple(one for one in self._all() if isinstance(one, Damaged))

    def find(self, name: str, who: Who | None = None) -> OwnModel | None:
        """A model by its id, or by its name in upper or lower case; None if there is none.

        Args:
            name: Its id or name.
            who: For whom.

        Raises:
            ModelError: If it is damaged, or several have that name.
        """
        models = self.models(who)
        if found := next((one for one in models if one.card.id == name), None):
            return found
        for one in self.damaged(who):
            if one.id == name:
                raise one.problem
        wanted = name.strip().casefold()
        named = [one for one in models if one.card.name.casefold() == wanted]
        if len(named) > 1:
            raise ModelError(
                f"{len(named)} models have the name {name!r}.",
                f"Use one of {', '.join(one.card.id for one in named)}.",
            )
        return named[0] if named else None

    def get(self, name: str, who: Who | None = None) -> OwnModel:
        """As `find`; one that is not there is an error.

        Raises:
            ModelError: If there is none, which is also said of one that is somebody else's.
        """
        found = self.find(name, who)
        if found is None:
            there = ", ".join(f"{one.card.id} ({one.card.name})" for one in self.models(who))
            raise ModelError(
                f"There is no model of this laboratory named {name[:80]!r}.",
                f"It may have been deleted. There are: {there}." if there else "None is kept here.",
            )
        return found

    def add(self, onnx: bytes | Path, card: Card, who: Who | None = None) -> OwnModel:
        """Put a model on the shelf, as a whole or not at all.

        Args:
            onnx: Its ONNX file, or the bytes of it.
            card: Its card; `id`, `sha256` and, for those who log in, `owner` are filled in.
            who: Who adds it; None for the owner that the card names.

        Raises:
            ModelError: If they may only look, the name cannot be used or is taken, the card does
                not fit, or nothing can be written.
        """
        refuse_reader(who)
        owner, name = owner_of_new(card, who), check_name(card.name)
        self.refuse_taken(name, owner)
        with faults(self.folder):
            content = onnx if isinstance(onnx, bytes) else onnx.read_bytes()
        digest = sha256(content).hexdigest()
        card = replace(card, name=name, id=make_id(name, digest, owner), sha256=digest, owner=owner)
        card.spec()
        text = card_json(card)
        with faults(self.folder):
            self._prepare()
            made = Path(tempfile.mkdtemp(prefix=_NEW, dir=self.folder))
            try:
                write_through(made / ONNX_FILE, content)
                write_through(made / CARD_FILE, text.encode())
                self._put(made, card)
            finally:
                shutil.rmtree(made, ignore_errors=True)
        try:
            # Another process may have put one of that name there meanwhile.
            self.refuse_taken(name, owner, besides=card.id)
        except ModelError:
            self._remove(card.id)
            raise
        return OwnModel.read(self.folder / card.id)

    def rename(self, name: str, new: str, who: Who | None = None) -> OwnModel:
        """Give a model another name; its id, under which results were exported, stays.

        Args:
            name: Its id or name.
            new: Its new name.
            who: Who does it.

        Raises:
            ModelError: If there is no such model, it is not theirs, the name cannot be used or is
                taken, or nothing can be written.
        """
        model = self._changeable(name, who)
        called = check_name(new)
        self.refuse_taken(called, model.card.owner, besides=model.card.id)
        return self._rewrite(model, replace(model.card, name=called))

    def give(self, name: str, owner: str, who: Who | None = None) -> OwnModel:
        """Make somebody else the owner of a model.

        Args:
            name: Its id or name.
            owner: As their login says; `EVERYONE` to let all use it; empty for nobody who logs in.
            who: Who does it.

        Raises:
            ModelError: If there is no such model, it is not theirs, the new owner has one of that
                name, or nothing can be written.
        """
        model = self._changeable(name, who)
        self.refuse_taken(model.card.name, owner.strip(), besides=model.card.id)
        return self._rewrite(model, replace(model.card, owner=owner.strip()))

    def delete(self, name: str, who: Who | None = None) -> None:
        """Delete a model for good, with what was compiled from it.

        Args:
            name: Its id or name; a damaged one by its id.
            who: Who does it.

        Raises:
            ModelError: If there is no such model, it is not theirs, or it cannot be removed.
        """
        if name in (one.id for one in self.damaged(who)):
            refuse_reader(who)
            self._remove(name)
            return
        card = self._changeable(name, who).card
        self._remove(card.id)
        if card.sha256 not in (one.card.sha256 for one in self.models()):
            kept_graphs.forget_file(card.sha256)
        choices.forget_model(card.id)

    def refuse_taken(self, name: str, owner: str, besides: str = "") -> None:
        """Refuse a name that another model of that owner, or of everybody, has.

        Args:
            name: The name, see `check_name`.
            owner: Whose model it is for.
            besides: Id of a model that may have it.

        Raises:
            ModelError: If it is taken.
        """
        for one in self.models():
            card = one.card
            same = card.name.casefold() == name.casefold() and card.id != besides
            if same and (card.owner == owner or EVERYONE in (card.owner, owner)):
                raise ModelError(
                    f"There is a model named {card.name} already.", "Give it another name."
                )

    def _all(self) -> list[OwnModel | Damaged]:
        with faults(self.folder):
            if not self.folder.is_dir():
                return []
            paths = sorted(path for path in self.folder.iterdir() if path.name.startswith(PREFIX))
        return [one for one in map(shelved, paths) if one is not None]

    def _changeable(self, name: str, who: Who | None) -> OwnModel:
        model = self.get(name, who)
        if not may_change(model.card, who):
            raise ModelError(
                f"You may use {model.card.name}, but not change it.",
                "Ask its owner, or whoever runs allcell here.",
            )
        return model

    def _put(self, made: Path, card: Card) -> None:
        try:
            os.rename(made, self.folder / card.id)
        except OSError as error:
            if (self.folder / card.id).is_dir():
                raise ModelError(
                    f"The same network is there already, as {card.name}.", "Use that one."
                ) from error
            raise
        # It is in its place; not every file system can do more.
        with contextlib.suppress(OSError):
            sync_folder(self.folder)

    def _rewrite(self, model: OwnModel, card: Card) -> OwnModel:
        text = card_json(card)
        with faults(self.folder):
            write_whole(model.folder / CARD_FILE, text.encode())
        return OwnModel.read(model.folder)

    def _remove(self, model_id: str) -> None:
        gone = self.folder / f"{_GONE}{uuid.uuid4().hex}"
        with faults(self.folder):
            # Out of the list first: what is half removed is never read.
            os.rename(self.folder / model_id, gone)
            shutil.rmtree(gone)

    def _prepare(self) -> None:
        """The folder, which nobody else on the machine may read, without what others left."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self.folder.glob(".*"):
            with contextlib.suppress(OSError):
                old = time.time() - left.stat().st_mtime > _LONGEST_S
                if left.name.startswith(_GONE) or (left.name.startswith(_NEW) and old):
                    shutil.rmtree(left, ignore_errors=True)


def shelf() -> Shelf:
    """The shelf in the data folder of the settings, beside the cases."""
    return Shelf(settings().data_dir.expanduser() / "models")
