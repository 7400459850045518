"""Names by a language model: a small real spaCy pipeline, made here and installed for the test alone."""

import sys

import pytest
from builders import an_interaction

from checks.builtin.pii import Pii
from checks.builtin.pii.engine import PiiEngine
from checks.check import OptionError

MODEL = "en_sidecheck_names"


@pytest.fixture
def model(tmp_path, monkeypatch) -> str:
    """An installed model package that knows one person and one place."""
    import spacy

    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Maria Keller"}, {"label": "GPE", "pattern": "Lisbon"}])
    package = tmp_path / MODEL
    package.mkdir()
    pipeline.to_disk(package / "data")
    (package / "__init__.py").write_text(
        "from pathlib import Path\n\nimport spacy\n\n\n"
        "def load(**options):\n    return spacy.load(Path(__file__).parent / 'data', **options)\n"
    )
    info = tmp_path / f"{MODEL}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {MODEL}\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield MODEL
    sys.modules.pop(MODEL, None)


def test_a_model_finds_people_and_places_beside_what_patterns_find(model):
    check = Pii(ner_model=model)
    answer = an_interaction("Maria Keller lives in Lisbon: ann@contoso.com")
    assert sorted(f.code for f in check.inspect(answer)) == ["email_address", "location", "person"]


def test_only_the_named_ones_of_them_are_looked_for(model):
    engine = PiiEngine(("PERSON",), ner_model=model)
    assert [m.entity for m in engine.find("Maria Keller lives in Lisbon: ann@contoso.com")] == ["PERSON"]


def test_names_are_found_at_their_own_offsets_in_text_of_other_scripts(model):
    text = "\u96fb\u8a71: Maria Keller"
    (match,) = PiiEngine(("PERSON",), ner_model=model).find(text)
    assert text[match.start : match.end] == "Maria Keller"


def test_a_model_that_is_not_installed_is_refused_and_never_downloaded():
    with pytest.raises(OptionError, match="is not installed; install it with"):
        Pii(ner_model="en_core_web_sm_absent")
    with pytest.raises(ModuleNotFoundError, match="is not installed"):
        PiiEngine(ner_model="en_core_web_sm_absent").find("text")
