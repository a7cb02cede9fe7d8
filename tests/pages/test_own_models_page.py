"""Own-laboratory models in the lists of every page and on Models, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from allcell.own.access import EVERYONE
from allcell.own.own_model import CARD_FILE
from allcell.own.shelf import Shelf
from allcell.ui.live import camera
from allcell.ui.sessions import own_models
from allcell.ui.shell import cache
from tests.own_models import BYTES, Person, card, taught
from tests.pages.test_models_page import show


@pytest.fixture(autouse=True)
def kept(data_dir: Path) -> Shelf:
    """Models of a test lie in its own folder."""
    return Shelf(data_dir / "models")


def options(app: AppTest) -> list[str]:
    """What can be chosen in the page's list of models."""
    (chosen,) = [box for box in app.selectbox if box.label == "Model"]
    return list(chosen.options)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["detect", "live"])
def test_it_can_be_chosen(
    app: AppTest, kept: Shelf, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "from_server", lambda *_, **__: camera.Link(False, False))
    kept.add(taught(), card())
    app.run().switch_page(f"pages/{page}.py").run()
    assert not app.exception
    assert options(app)[-1] == "Klinikum A"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tab", "key"),
    [
        ("Side by side", "side.models"),
        ("Speed here", "compare.speed.models"),
        ("Your data", "compare.user_jobs"),
    ],
)
def test_it_can_be_compared(app: AppTest, kept: Shelf, tab: str, key: str) -> None:
    kept.add(taught(), card())
    app.session_state["compare.tab"] = tab
    app.session_state["side.sample"] = "healthy"
    app.run().switch_page("pages/compare.py").run()
    assert not app.exception
    assert "Klinikum A" in app.button_group(key=key).options


@pytest.mark.slow
def test_its_card_is_on_models(app: AppTest, kept: Shelf) -> None:
    made = kept.add(BYTES, card())
    said = show(app)
    for words in (
        "For this laboratory",
        "Better on blasts",
        "allcell live, with 8 fields",
        made.card.id,
        "by field, in 4 parts",
    ):
        assert words in said
    table = next(t.value for t in app.dataframe if "This model" in t.value.columns)
    assert list(table.iloc[0]) == [
        "Blast, AP as shown",
        "0.59 (0.49 to 0.64)",
        "0.89 (0.79 to 0.94)",
    ]


def test_words_of_a_card_are_words(app: AppTest, kept: Shelf) -> None:
    kept.add(BYTES, card(verdict="<script>**better**</script>", app_version="<b>1</b>"))
    said = show(app)
    assert "<b>1</b>" not in said
    assert "\\*\\*better" in said


@pytest.mark.slow
def test_it_is_deleted_there(app: AppTest, kept: Shelf) -> None:
    made = kept.add(BYTES, card())
    show(app)
    app.button(key=f"models.own.delete.{made.card.id}").click().run()
    assert not app.exception
    assert kept.models() == ()
    assert "Klinikum A is deleted" in app.success[0].value
    assert made.card.id not in show(app)


@pytest.mark.slow
def test_it_is_renamed_there(app: AppTest, kept: Shelf) -> None:
    made = kept.add(BYTES, card())
    show(app)
    app.text_input(key=f"models.own.name.{made.card.id}").set_value("live").run()
    app.button(key=f"models.own.rename.{made.card.id}").click().run()
    assert "allcell comes with" in app.error[0].value
    app.text_input(key=f"models.own.name.{made.card.id}").set_value("Nord").run()
    app.button(key=f"models.own.rename.{made.card.id}").click().run()
    assert not app.exception
    assert kept.get("Nord").card.id == made.card.id


def test_one_that_is_damaged_is_named_and_can_be_deleted(app: AppTest, kept: Shelf) -> None:
    made = kept.add(BYTES, card())
    (made.folder / CARD_FILE).write_text("{")
    show(app)
    assert "cut or damaged" in app.error[0].value
    app.button(key=f"models.own.delete.{made.card.id}").click().run()
    assert kept.damaged() == ()


def test_a_login_sees_its_own_and_what_is_for_all(
    app: AppTest, kept: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = Person("ada@lab")
    kept.add(BYTES, card("Of Ada"), ada)
    theirs = kept.add(b"of Bob", card("Of Bob"), Person("bob@lab"))
    kept.give(kept.add(b"for all", card("For all")).card.id, EVERYONE)
    for module in (own_models, cache):
        monkeypatch.setattr(module, "actor", lambda: ada)
    app.run()
    assert options(app)[-2:] == ["For all", "Of Ada"]
    with pytest.raises(Exception, match="no model named"):
        cache.get_detector(theirs.card.id)
