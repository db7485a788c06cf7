"""Reference text: tags of sub-tokens, even draws, the cache, the named corpora, and files that are no tagged text."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from l2g_core.align import corpora
from l2g_core.align.corpora import Sentence, corpus_file, read_tagged
from l2g_core.align.options import TextOptions
from l2g_core.align.text import draw, text_reference
from l2g_core.align.tokens import Tokenized, tokenized
from l2g_core.errors import InputError
from l2g_core.model.backbones import WordEmbeddings, load_word_embeddings

CONLL = """-DOCSTART- -X- O O

Immunoglobulin NN B-NP B-PER
binds VBZ B-VP O
glucocorticoids NNS B-NP I-PER

U.N. NNP I-NP B-ORG
meets VBZ I-VP O
"""


@pytest.fixture(scope="module")
def words() -> WordEmbeddings:
    return load_word_embeddings("minilm")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "small.txt"
    path.write_text(CONLL)
    return path


def test_columns_by_space_or_tab_plain_or_gzipped(tmp_path: Path, corpus: Path) -> None:
    first = Sentence(("Immunoglobulin", "binds", "glucocorticoids"), ("B-PER", "O", "I-PER"))
    assert read_tagged(corpus) == [first, Sentence(("U.N.", "meets"), ("B-ORG", "O"))]
    with gzip.open(tmp_path / "t.tsv.gz", "wt") as handle:
        handle.write("###MEDLINE:1\n\nT cell\tB-cell_type\nis\tO")
    assert read_tagged(tmp_path / "t.tsv.gz") == [Sentence(("T cell", "is"), ("B-cell_type", "O"))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("The human SCL locus\n", r"line 1: .*'locus' is not a tag; write one word per line and its tag"),
        ("The\tO\nlocus\n", r"line 2: 'locus': no tag; .*--text vocabulary needs no file"),
        ("The\tO\nlocus\tO\n", r"every word is tagged O.*--text vocabulary"),
        ("\n\n", r"no words; a tagged text has a word and its tag"),
        ("a\tb\tNN\n", r"'NN' is not a tag"),
    ],
)
def test_a_text_without_tags_is_refused_by_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "plain.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_tagged(path)
    assert str(path) in str(caught.value)


def test_sub_tokens_carry_the_tag_of_their_word(words: WordEmbeddings, corpus: Path) -> None:
    first, second = tokenized(words, read_tagged(corpus))
    pieces = words.tokenizer.convert_ids_to_tokens(first.ids)
    word_of: dict[str, list[str | None]] = {}
    for piece, tag in zip(pieces, first.tags, strict=True):
        word_of.setdefault("continued" if piece.startswith("##") else piece, []).append(tag)
    assert word_of["[CLS]"] == word_of["[SEP]"] == [None]
    assert word_of["im"] == ["B-PER"]
    assert word_of["binds"] == ["O"]
    assert len(word_of["continued"]) > 3
    assert set(word_of["continued"]) == {"I-PER"}
    assert [t for t in second.tags if t] == ["B-ORG", "I-ORG", "I-ORG", "I-ORG", "O"]  # u . n .


def test_the_embeddings_are_those_of_the_layer_and_its_norm(words: WordEmbeddings, corpus: Path, tmp_path) -> None:
    reference = text_reference("minilm", TextOptions(str(corpus), per_tag=100), cache=tmp_path)
    expected = []
    with torch.no_grad():
        for sentence in tokenized(words, read_tagged(corpus)):
            hidden = words.layer(input_ids=torch.tensor([sentence.ids]))[0]
            expected += [(hidden[i], tag) for i, tag in enumerate(sentence.tags) if tag is not None]
    assert [reference.tags[label] for label in reference.labels] == [tag for _, tag in expected]
    torch.testing.assert_close(reference.embeddings, torch.stack([vector for vector, _ in expected]))
    norm = words.layer.LayerNorm
    standard = (reference.embeddings - norm.bias) / norm.weight
    torch.testing.assert_close(standard.mean(dim=1), torch.zeros(len(standard)), atol=1e-4, rtol=0)
    torch.testing.assert_close(standard.std(dim=1, correction=0), torch.ones(len(standard)), atol=1e-3, rtol=0)
    assert not reference.embeddings.requires_grad


def test_tokens_are_drawn_evenly_without_replacement_and_by_the_seed() -> None:
    sentences = [Tokenized(list(range(12)), ["O"] * 9 + ["B-X", "I-X", None]) for _ in range(20)]
    tags, drawn = draw(sentences, TextOptions("file", per_tag=15, seed=3))
    assert tags == ("B-X", "I-X", "O")
    assert [sum(label == n for label, *_ in drawn) for n in range(3)] == [15, 15, 15]
    assert len(set(drawn)) == 45
    assert (tags, drawn) == draw(sentences, TextOptions("file", per_tag=15, seed=3))
    assert drawn != draw(sentences, TextOptions("file", per_tag=15, seed=4))[1]
    assert len(draw(sentences, TextOptions("file", per_tag=50))[1]) == 20 + 20 + 50


def test_means_are_of_whole_sentences(words: WordEmbeddings, corpus: Path, tmp_path: Path) -> None:
    means = text_reference("minilm", TextOptions(str(corpus), points="mean"), cache=tmp_path)
    tokens = text_reference("minilm", TextOptions(str(corpus)), cache=tmp_path)
    n = sum(tag is not None for tag in next(tokenized(words, read_tagged(corpus))).tags)
    torch.testing.assert_close(means.embeddings[0], tokens.embeddings[:n].mean(dim=0))
    assert [means.tags[i] for i in means.labels] == ["I-PER", "I-ORG"]


def test_the_vocabulary_needs_no_corpus(words: WordEmbeddings, tmp_path: Path) -> None:
    reference = text_reference("minilm", cache=tmp_path)
    assert reference.embeddings.shape == (3150, 384)
    assert reference.tags == ("word",)
    again = text_reference("minilm", TextOptions(seed=1), cache=tmp_path)
    assert not torch.equal(reference.embeddings, again.embeddings)
    with pytest.raises(InputError, match="no sentences to average over; use --text-points tokens"):
        text_reference("minilm", TextOptions(points="mean"), cache=tmp_path)


def test_computed_once_and_again_if_anything_changes(corpus: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    options = TextOptions(str(corpus), per_tag=2)
    first = text_reference("minilm", options, cache=cache)
    (file,) = cache.iterdir()
    written = file.stat().st_mtime_ns
    again = text_reference("minilm", options, cache=cache)
    assert file.stat().st_mtime_ns == written
    assert torch.equal(again.embeddings, first.embeddings)
    assert (again.tags, again.provenance) == (first.tags, first.provenance)
    text_reference("minilm", replace(options, seed=1), cache=cache)
    text_reference("minilm", options, pretrained=False, cache=cache)
    assert len(list(cache.iterdir())) == 3
    corpus.write_text(CONLL + "\nelsewhere RB O B-LOC\n")
    assert text_reference("minilm", options, cache=cache).tags != first.tags
    assert len(list(cache.iterdir())) == 4


def test_a_damaged_cache_is_computed_anew(corpus: Path, tmp_path: Path, caplog) -> None:
    first = text_reference("minilm", TextOptions(str(corpus)), cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(file.read_bytes()[:50])
    again = text_reference("minilm", TextOptions(str(corpus)), cache=tmp_path / "cache")
    assert torch.equal(again.embeddings, first.embeddings)
    assert "computing it again" in caplog.text


@pytest.mark.parametrize("part", ["devel", "test"])
def test_jnlpba(shared: Path, tmp_path: Path, part: str) -> None:
    path = shared / "text" / f"jnlpba_{part}.tsv.gz"
    if not path.exists():
        pytest.skip("needs JNLPBA in ../shared/data/text, which is not here")
    reference = text_reference("minilm", TextOptions(str(path)), cache=tmp_path)
    kinds = ("DNA", "RNA", "cell_line", "cell_type", "protein")
    assert reference.tags == tuple(sorted([f"{side}-{kind}" for side in "BI" for kind in kinds] + ["O"]))
    drawn = reference.provenance["drawn"]
    assert {n for tag, n in drawn.items() if tag != "B-RNA"} == {350}
    assert drawn["B-RNA"] == {"devel": 107, "test": 118}[part]
    assert len(reference.embeddings) == sum(drawn.values())


def test_a_named_corpus_out_of_the_users_folder(shared: Path, tmp_path: Path) -> None:
    assert corpus_file("jnlpba", shared / "text") == shared / "text" / "jnlpba_test.tsv.gz"
    with pytest.raises(InputError, match=r"no conll2003 here; put it there as conll2003\.txt or valid\.txt"):
        corpus_file("conll2003", tmp_path)
    with pytest.raises(InputError, match="no such text; give a tagged file, or one of vocabulary, conll2003, jnlpba"):
        corpus_file("conll", tmp_path)


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, bytes]]]:
    files: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", files
    running.shutdown()
    thread.join()
    running.server_close()


def archived(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("name", corpora.CORPORA)
def test_a_named_corpus_is_fetched_once_and_checked(name: str, server, tmp_path: Path, monkeypatch) -> None:
    address, files = server
    known = corpora.CORPORA[name]
    files["/corpus"] = sent = archived(f"x/{known.member}", CONLL.encode()) if known.member else CONLL.encode()
    here = replace(known, address=f"{address}/corpus", sha256=hashlib.sha256(sent).hexdigest())
    monkeypatch.setitem(corpora.CORPORA, name, here)
    with pytest.raises(InputError, match=r"the network may not be used; download .* by hand, put .* --text-dir"):
        corpus_file(name, cache=tmp_path, download=False)
    path = corpus_file(name, cache=tmp_path)
    assert path.read_text() == CONLL
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    del files["/corpus"]
    assert corpus_file(name, cache=tmp_path) == path


def test_what_is_not_as_published_is_not_kept(server, tmp_path: Path, monkeypatch) -> None:
    address, files = server
    files["/corpus"] = b"something else"
    monkeypatch.setitem(
        corpora.CORPORA, "conll2003", replace(corpora.CORPORA["conll2003"], address=f"{address}/corpus")
    )
    with pytest.raises(InputError, match=r"could not be fetched .*--text-dir, or use --text vocabulary"):
        corpus_file("conll2003", cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_language_model_without_such_a_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'minilm', which works offline"):
        load_word_embeddings(str(tmp_path))
