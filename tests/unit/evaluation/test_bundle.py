"""A comparison in one ZIP, and the same numbers when it is rescored."""

import io
import json
import zipfile
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import allcell.cli.evaluate  # noqa: F401  (registers the commands)
from allcell.cli.base import app
from allcell.errors import DataError
from allcell.evaluation.bundle import read_bundle, rescore, write_bundle
from allcell.evaluation.evaluate import RESAMPLES
from allcell.evaluation.judged_fields import JudgedFields
from allcell.evaluation.predictions import Predictions
from allcell.evaluation.scored import evaluate_all
from allcell.settings import settings


@pytest.fixture(scope="module", autouse=True)
def fewer_resamples():
    """Enough where only what is alike matters; bundles are made and checked with as many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("allcell.evaluation.scored.RESAMPLES", 40)
        patch.setattr("allcell.evaluation.bootstrap.COMPARED_DRAWS", 40)
        patch.setattr("allcell.evaluation.bootstrap.MORE_DRAWS", 40)
        yield


@pytest.fixture(scope="module")
def answers():
    """What two models said of the validation fields."""
    folder = settings().weights_dir / "metrics" / "predictions"
    return [
        Predictions.from_json((folder / f"{name}_allidb1_val.json").read_text())
        for name in ("live", "yolov6")
    ]


@pytest.fixture(scope="module")
def bundle(answers):
    return write_bundle(answers)


@pytest.fixture(scope="module")
def judged(answers):
    """A classifier that is wrong of the first field only."""
    truth = tuple(n % 2 == 0 for n in range(len(answers[0].images)))
    said = tuple(0.9 if (holds != (n == 0)) else 0.1 for n, holds in enumerate(truth))
    return JudgedFields("judge", "c" * 64, answers[0].data_sha256, 0.5, truth, said)


@pytest.fixture(scope="module")
def judged_bundle(answers, judged):
    return write_bundle(answers, [judged])


def changed(bundle, name, change):
    """The same ZIP with one file's content changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle)) as old, zipfile.ZipFile(out, "w") as new:
        for item in old.namelist():
            text = old.read(item).decode()
            if item != name or (text := change(text)) is not None:
                new.writestr(item, text)
    return out.getvalue()


@pytest.mark.slow
def test_the_same_numbers_come_out(answers, monkeypatch):
    monkeypatch.setattr("allcell.evaluation.scored.RESAMPLES", RESAMPLES)
    again = rescore(write_bundle(answers))
    assert again.differing == []
    for result, item in zip(again.results, answers, strict=True):
        path = settings().weights_dir / "metrics" / f"{item.setting.model}_allidb1_val.json"
        published = json.loads(path.read_text())
        for name, scores in json.loads(result.to_json())["classes"].items():
            # What a version adds is published when the models are evaluated again.
            theirs = published["classes"][name]
            assert {key: scores[key] for key in theirs} == theirs
        # The experts' centroids are not ours to publish: published answers are without them.
        ours, theirs = (
            {k: v for k, v in intervals.items() if not k.startswith("centroids")}
            for intervals in (json.loads(result.to_json())["intervals"], published["intervals"])
        )
        assert ours == theirs


def test_weights_versions_and_machine_are_in_it(bundle, answers):
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        about = json.loads(archive.read("about.json"))
    assert about["weights_sha256"] == {p.setting.model: p.setting.model_sha256 for p in answers}
    assert "cores" in about["machine"]
    assert about["versions"]["onnxruntime"]
    assert "Research Use Only" in about["notice"]


def test_a_changed_number_is_found(bundle):
    def better(text):
        metrics = json.loads(text)
        metrics["classes"]["blast"]["ap50"] = 1.0
        return json.dumps(metrics)

    assert rescore(changed(bundle, "metrics/02.json", better)).differing == ["metrics/02.json"]
    assert rescore(changed(bundle, "comparison.json", lambda _: None)).differing == [
        "comparison.json"
    ]


def test_more_than_was_compared_is_found(bundle):
    more = io.BytesIO(bundle)
    with zipfile.ZipFile(more, "a") as archive:
        archive.writestr("metrics/99.json", '{"map50": 1.0}')
    assert rescore(more.getvalue()).differing == ["metrics/99.json"]

    def other_weights(text):
        about = json.loads(text)
        about["weights_sha256"]["live"] = "0" * 64
        return json.dumps(about)

    assert rescore(changed(bundle, "about.json", other_weights)).differing == ["about.json"]


def as_in_0_2(content):
    """A file of a bundle as version 0.2 wrote it, or None if it is the same."""
    if "draws" in content:
        del content["draws"]
        for row in content["differences"]:
            del row["edge"]
            row["p"], row["p_adjusted"] = 0.001, 0.02
    else:
        del content["ignored"]
        content["settings"]["rules"] = "fewer"
        for scores in content["classes"].values():
            for key in ("at_best_f1", "spread", "froc_as_shown", "reach_as_shown"):
                del scores[key]
    return content


@pytest.mark.parametrize("name", ["comparison.json", "metrics/02.json"])
@pytest.mark.parametrize("honest", [True, False], ids=["as it was", "with a changed score"])
def test_a_bundle_of_0_2_is_checked_by_what_it_holds(bundle, name, honest):
    def earlier(text):
        content = as_in_0_2(json.loads(text))
        if not honest and "classes" in content:
            content["classes"]["blast"]["ap50"] = 1.0
        elif not honest:
            content["differences"][0]["value"] = 1.0
        return json.dumps(content)

    again = rescore(changed(bundle, name, earlier))
    assert (again.outdated, again.differing) == (([name], []) if honest else ([], [name]))


def test_two_images_of_one_name_are_two(answers):
    named_alike = [
        replace(item, images=tuple(replace(image, name="field") for image in item.images))
        for item in answers
    ]
    assert evaluate_all(named_alike)[1].fields == evaluate_all(answers)[1].fields


def test_a_whole_field_classifier_is_checked_too(answers, judged, judged_bundle):
    bundle = judged_bundle
    assert read_bundle(bundle).fields == (judged,)
    again = rescore(bundle)
    assert again.differing == []
    assert again.comparison.models["judge"] == "c" * 64
    assert {(d.first, d.second) for d in again.comparison.fields} == {
        ("live", "yolov6"),
        ("live", "judge"),
        ("yolov6", "judge"),
    }

    def wrong_of_all(text):
        said = json.loads(text)
        said["probability"] = [1 - p for p in said["probability"]]
        return json.dumps(said)

    assert rescore(changed(bundle, "fields/01.json", wrong_of_all)).differing == ["comparison.json"]
    with pytest.raises(DataError, match="not a file of judged fields"):
        read_bundle(changed(bundle, "fields/01.json", lambda _: "{}"))
    for other in (
        replace(judged, cancerous=(True,), probability=(1.0,)),
        replace(judged, data_sha256="d" * 64),
    ):
        with pytest.raises(DataError, match="not run on the same images"):
            write_bundle(answers, [other])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("images", [], id="no images"),
        pytest.param("confidence", "sure", id="a word for a number"),
        pytest.param("iou", 10**400, id="a number too large"),
    ],
)
def test_answers_that_are_none_are_refused(bundle, key, value):
    def with_value(text):
        said = json.loads(text)
        said[key] = value
        return json.dumps(said)

    with pytest.raises(DataError, match="not a file of predictions"):
        read_bundle(changed(bundle, "predictions/01.json", with_value))


def test_lists_in_lists_without_end_are_refused(bundle):
    with pytest.raises(DataError, match="not a file of predictions"):
        read_bundle(changed(bundle, "predictions/01.json", lambda _: "[" * 100_000))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(float("nan"), id="not a number"),
        pytest.param(2.0, id="above 1"),
        pytest.param(-0.1, id="below 0"),
        pytest.param("much", id="a word"),
        pytest.param(10**400, id="a number too large"),
    ],
)
def test_probabilities_that_are_none_are_refused(judged_bundle, value):
    def with_value(text):
        said = json.loads(text)
        said["probability"][0] = value
        return json.dumps(said)

    with pytest.raises(DataError, match="not a file of judged fields"):
        read_bundle(changed(judged_bundle, "fields/01.json", with_value))


def test_a_damaged_or_locked_bundle_is_refused(bundle):
    damaged = bytearray(bundle)
    damaged[200:260] = bytes(60)
    locked = bytearray(bundle)
    for head, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = locked.find(head)
        while at >= 0:
            locked[at + flags] |= 1
            at = locked.find(head, at + 1)
    for content in (damaged, locked):
        with pytest.raises(DataError, match="not an allcell bundle"):
            read_bundle(bytes(content))


def test_other_files_are_refused(bundle):
    with pytest.raises(DataError, match=r"not an allcell bundle.*allcell compare --bundle"):
        read_bundle(b"not a zip")
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("about.json", "{}")
    with pytest.raises(DataError, match=r"holds no predictions.*allcell compare --bundle"):
        read_bundle(empty.getvalue())
    with pytest.raises(DataError, match="not a file of predictions"):
        read_bundle(changed(bundle, "predictions/01.json", lambda _: "{}"))


def test_models_of_different_images_are_not_compared(answers):
    path = settings().weights_dir / "metrics" / "predictions" / "yolov5s_allidb1_test.json"
    other = Predictions.from_json(path.read_text())
    with pytest.raises(DataError, match="not run on the same images"):
        write_bundle([answers[0], other])
    with pytest.raises(DataError, match="once"):
        write_bundle([answers[0], answers[0]])


def of_first(answers, count):
    """The same models on the first images only."""
    return [replace(item, images=item.images[:count]) for item in answers]


@pytest.mark.parametrize(
    ("count", "few"),
    [
        pytest.param(1, True, id="one image"),
        pytest.param(2, True, id="two images"),
        pytest.param(9, True, id="one too few"),
        pytest.param(10, False, id="just enough"),
    ],
)
def test_a_bundle_of_too_few_images_decides_nothing(answers, tmp_path, count, few):
    made = write_bundle(of_first(answers, count))
    comparison = json.loads(read_bundle(made).scored["comparison.json"])
    assert comparison["differences"]
    for d in comparison["differences"]:
        assert (d["p"] is None) >= few
        assert (d["p"] is None) == (d["interval"] is None) == (d["p_adjusted"] is None)
    (tmp_path / "b.zip").write_bytes(made)
    done = CliRunner().invoke(app, ["evaluate", "--from", str(tmp_path / "b.zip")])
    assert done.exit_code == 0, done.output
    words = f"no difference between models is decided: too few images: {count}, at least 10"
    assert (words in done.output) == few
    assert "every number matches the bundle's" in done.output


def test_a_bundle_of_an_earlier_version_that_decided_on_two_images_can_be_read(answers, tmp_path):
    def as_before(text):
        kept = json.loads(text)
        for d in kept["differences"]:
            d |= {"interval": [0.2, 0.2], "p": 0.001, "p_adjusted": 0.001, "decisive": True}
        return json.dumps(kept)

    def with_intervals(text):
        kept = json.loads(text)
        kept["intervals"] = {name: [1.0, 1.0] for name in kept["intervals"]}
        kept["settings"]["bootstrap"] = "2000 resamples of the images, seed 0, percentile, 95 %"
        return json.dumps(kept)

    made = write_bundle(of_first(answers, 2))
    before = changed(made, "comparison.json", as_before)
    before = changed(before, "metrics/01.json", with_intervals)
    again = rescore(before)
    assert again.differing == []
    assert again.outdated == ["comparison.json", "metrics/01.json"]
    (tmp_path / "b.zip").write_bytes(before)
    done = CliRunner().invoke(app, ["evaluate", "--from", str(tmp_path / "b.zip")])
    assert done.exit_code == 0, done.output
    assert "too few images: 2, at least 10 are needed" in done.output
    assert "every other number matches the bundle's" in done.output
    assert "decisive" not in done.output

    def another_value(text):
        kept = json.loads(as_before(text))
        kept["differences"][0]["value"] += 0.1
        return json.dumps(kept)

    wrong = rescore(changed(made, "comparison.json", another_value))
    assert (wrong.differing, wrong.outdated) == (["comparison.json"], [])


def without_as_shown(text):
    """A file of a bundle as version 0.2 wrote it."""

    def older(content):
        if isinstance(content, dict):
            return {k: older(v) for k, v in content.items() if not k.endswith("_as_shown")}
        if isinstance(content, list):
            return [older(v) for v in content if "_as_shown" not in str(v)]
        return content

    return json.dumps(older(json.loads(text)))


SCORED = ("comparison.json", "metrics/01.json", "metrics/02.json")


def test_a_bundle_of_a_version_without_ap_as_shown_can_be_checked(bundle, tmp_path):
    before = bundle
    for name in SCORED:
        assert "as_shown" in read_bundle(bundle).scored[name]
        before = changed(before, name, without_as_shown)
    again = rescore(before)
    assert (again.differing, again.outdated) == ([], list(SCORED))
    assert again.results[0].map50_as_shown is not None
    (tmp_path / "b.zip").write_bytes(before)
    done = CliRunner().invoke(app, ["evaluate", "--from", str(tmp_path / "b.zip")])
    assert done.exit_code == 0, done.output
    assert "from an earlier version: what it lacks, and intervals" in done.output

    def better(text):
        metrics = json.loads(text)
        metrics["classes"]["blast"]["ap50"] = 1.0
        return json.dumps(metrics)

    wrong = rescore(changed(before, "metrics/02.json", better))
    assert (wrong.differing, wrong.outdated) == (["metrics/02.json"], list(SCORED[:2]))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda m: m["classes"]["blast"].update(ap50_as_shown=0.5), id="a score"),
        pytest.param(lambda m: m.pop("map50_as_shown"), id="one of them taken out"),
        pytest.param(
            lambda m: m["intervals"].update({"blast.ap50_as_shown": [0.1, 1.0]}), id="an interval"
        ),
    ],
)
def test_a_changed_ap_as_shown_is_found(bundle, change):
    def wrong(text):
        metrics = json.loads(text)
        change(metrics)
        return json.dumps(metrics)

    assert rescore(changed(bundle, "metrics/01.json", wrong)).differing == ["metrics/01.json"]


def test_enough_images_excuse_no_interval(bundle):
    def with_intervals(text):
        kept = json.loads(text)
        kept["intervals"]["blast.ap50"] = [1.0, 1.0]
        return json.dumps(kept)

    again = rescore(changed(bundle, "metrics/01.json", with_intervals))
    assert (again.differing, again.outdated) == (["metrics/01.json"], [])


def test_the_command_line_checks_a_bundle(bundle, tmp_path):
    path = tmp_path / "b.zip"
    path.write_bytes(bundle)
    done = CliRunner().invoke(app, ["evaluate", "--from", str(path)])
    assert done.exit_code == 0, done.output
    assert "every number matches the bundle's" in done.output
    path.write_bytes(changed(bundle, "metrics/01.json", lambda text: text.replace("0.9", "0.8")))
    done = CliRunner().invoke(app, ["evaluate", "--from", str(path)])
    assert done.exit_code == 1
    assert "metrics/01.json" in done.output
