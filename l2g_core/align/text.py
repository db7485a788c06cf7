"""Reference text as a language model reads it: token embeddings after the LayerNorm of its embedding layer.

Tokens are drawn evenly over the tags of the corpus. The result is cached under the hash of everything that it depends
on: the bytes of the corpus, the language model's embedding layer and tokenizer, the settings.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from l2g_core.align.corpora import cache_folder, corpus_file, read_tagged
from l2g_core.align.options import VOCABULARY, Points, TextOptions
from l2g_core.align.tokens import Tokenized, tokenized, vocabulary
from l2g_core.errors import InputError
from l2g_core.model.backbones import WordEmbeddings, load_word_embeddings
from l2g_core.model.checkpoint import fingerprint
from l2g_core.runs.files import atomic_write, file_sha256
from l2g_core.runs.lock import FOREVER, lock

log = logging.getLogger(__name__)
VOCABULARY_TAGS = 9  # per_tag counts this many times: as many tokens as the paper draws for CoNLL-2003's nine tags
FORMAT = 1  # of the cached files
BATCH = 64

Drawn = tuple[int, int, int | None]  # index of the tag, of the sentence, of the token (None: all but special tokens)


@dataclass(frozen=True)
class TextReference:
    """Points of a text in the language model's embedding space, each with the index of its tag in ``tags``."""

    embeddings: Float[Tensor, "n width"]
    labels: Int[Tensor, " n"]
    tags: tuple[str, ...]
    provenance: dict[str, Any]


def text_reference(
    backbone: str,
    options: TextOptions | None = None,
    *,
    pretrained: bool = True,
    folder: str | Path | None = None,
    cache: str | Path | None = None,
) -> TextReference:
    """The reference embeddings of a text under a language model, from the cache if they were computed before.

    Parameters
    ----------
    backbone
        Name, Hugging Face id or folder of the language model.
    options
        Which text, and which points of it.
    pretrained
        False gives the embedding layer random weights.
    folder
        Where the user keeps the corpora that have names.
    cache
        Where to keep texts and embeddings; the user's cache by default.

    Returns
    -------
    TextReference
        ``embeddings`` ``(n, width)`` and ``labels`` ``(n,)``, on the CPU.

    Raises
    ------
    InputError
        The corpus has no tags, or corpus or language model cannot be found or fetched; the message says what to do.
    """
    options = options or TextOptions()
    if options.source == VOCABULARY and options.points == "mean":
        raise InputError("the vocabulary has no sentences to average over; use --text-points tokens, or a corpus")
    words = load_word_embeddings(backbone, pretrained=pretrained)
    path = None if options.source == VOCABULARY else corpus_file(options.source, folder, cache)
    provenance = _provenance(backbone, words, path, options)
    key = hashlib.sha256(json.dumps([FORMAT, provenance], sort_keys=True).encode()).hexdigest()
    file = cache_folder(cache) / f"embeddings-{key[:32]}.safetensors"
    if found := _cached(file):
        return found
    with lock(file.with_suffix(".lock"), file, FOREVER, keep_folder=True):  # of several processes, one computes it
        return _cached(file) or _computed(file, words, path, options, provenance)


def _provenance(backbone: str, words: WordEmbeddings, path: Path | None, options: TextOptions) -> dict[str, Any]:
    settings = asdict(options) | {"source": options.source if path is None else path.name}
    return {
        **settings,
        "sha256": None if path is None else file_sha256(path),
        "language_model": backbone,
        "language_model_sha256": fingerprint(words.layer),
        "tokenizer_sha256": hashlib.sha256(words.tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
    }


def _computed(
    file: Path, words: WordEmbeddings, path: Path | None, options: TextOptions, provenance: dict[str, Any]
) -> TextReference:
    if path is None:
        sentences = list(vocabulary(words, VOCABULARY_TAGS * options.per_tag, options.seed))
    else:
        sentences = list(tokenized(words, read_tagged(path)))
    tags, drawn = draw(sentences, options)
    counts = {tag: sum(label == number for label, *_ in drawn) for number, tag in enumerate(tags)}
    few = [f"{tag} ({n})" for tag, n in counts.items() if n < options.per_tag]
    if few:
        log.info("fewer than %d points for %s: all there are", options.per_tag, ", ".join(few))
    reference = TextReference(
        embed(words, sentences, drawn),
        torch.tensor([label for label, *_ in drawn]),
        tags,
        {**provenance, "drawn": counts},
    )
    _store(file, reference)
    return reference


def draw(sentences: Sequence[Tokenized], options: TextOptions) -> tuple[tuple[str, ...], list[Drawn]]:
    """Draw ``per_tag`` points of each tag without replacement; returns the tags, and the points in order of the text.

    If points are sentences, each has the most frequent tag of its tokens, and ``O`` only if there is no other.
    """
    by_tag: dict[str, list[tuple[int, int | None]]] = {}
    for number, sentence in enumerate(sentences):
        for place, tag in _points(sentence, options.points):
            by_tag.setdefault(tag, []).append((number, place))
    tags = tuple(sorted(by_tag))
    rng = np.random.default_rng(options.seed)
    drawn: list[Drawn] = []
    for label, tag in enumerate(tags):
        n = len(by_tag[tag]) if options.source == VOCABULARY else min(options.per_tag, len(by_tag[tag]))
        chosen = rng.choice(len(by_tag[tag]), n, replace=False)
        drawn += [(label, *by_tag[tag][i]) for i in sorted(chosen)]
    return tags, sorted(drawn, key=lambda point: (point[1], point[2] or 0))


def _points(sentence: Tokenized, points: Points) -> Iterator[tuple[int | None, str]]:
    if points == "tokens":
        yield from ((place, tag) for place, tag in enumerate(sentence.tags) if tag is not None)
        return
    tags = [tag for tag in sentence.tags if tag is not None]
    if tags:
        entities = [tag for tag in tags if tag != "O"]
        yield None, max(sorted(set(entities)), key=entities.count) if entities else "O"


@torch.no_grad()
def embed(words: WordEmbeddings, sentences: Sequence[Tokenized], drawn: Sequence[Drawn]) -> Float[Tensor, "n width"]:
    """The points' vectors, in the order of ``drawn``; only sentences with a drawn point are run."""
    wanted: dict[int, list[int]] = {}
    for point, (_, sentence, _) in enumerate(drawn):
        wanted.setdefault(sentence, []).append(point)
    vectors: dict[int, Tensor] = {}
    rows = list(wanted)
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        for hidden, number in zip(_embed_batch(words, [sentences[n].ids for n in some]), some, strict=True):
            for point in wanted[number]:
                vectors[point] = _vector(hidden, sentences[number], drawn[point][2])
    return torch.stack([vectors[point] for point in range(len(drawn))])


def _embed_batch(words: WordEmbeddings, ids: Sequence[Sequence[int]]) -> Float[Tensor, "batch tokens width"]:
    padding = words.tokenizer.pad_token_id
    longest = max(map(len, ids))
    return words.layer(input_ids=torch.tensor([[*row, *[padding] * (longest - len(row))] for row in ids]))


def _vector(hidden: Float[Tensor, "tokens width"], sentence: Tokenized, place: int | None) -> Float[Tensor, " width"]:
    if place is not None:
        return hidden[place].clone()
    return hidden[[i for i, tag in enumerate(sentence.tags) if tag is not None]].mean(dim=0)


def _store(file: Path, reference: TextReference) -> None:
    from safetensors.torch import save_file

    file.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"embeddings": reference.embeddings, "labels": reference.labels}
    content = json.dumps({"tags": reference.tags, "provenance": reference.provenance})
    with atomic_write(file) as unfinished:
        save_file(tensors, unfinished, metadata={"reference": content})


def _cached(file: Path) -> TextReference | None:
    """What was stored, or None; a damaged file counts as none, with a warning."""
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as stored:
            content = json.loads(stored.metadata()["reference"])
            embeddings, labels = stored.get_tensor("embeddings"), stored.get_tensor("labels")
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        log.warning("%s: damaged (%s); computing it again", file, error)
        return None
    return TextReference(embeddings, labels, tuple(content["tags"]), content["provenance"])
